import CNetfilter
import Glibc
import Netlink
import NetworkTypes

/// Reads and deletes entries of the kernel's connection tracking (ctnetlink, linux/netfilter/nfnetlink_conntrack.h) in the network
/// namespace in which it was opened. Memory does not depend on how many entries there are.
public struct ConntrackSocket: ~Copyable {
    let reader: NetlinkSocket
    let writer: NetlinkSocket

    public init() throws(ConntrackError) {
        let reader = try Self.open()
        let writer = try Self.open()
        self.init(reader: reader, writer: writer)
    }

    private init(reader: consuming NetlinkSocket, writer: consuming NetlinkSocket) {
        self.reader = reader
        self.writer = writer
    }

    private static func open() throws(ConntrackError) -> NetlinkSocket {
        do {
            let socket = try NetlinkSocket()
            try socket.setBuffers(receive: 1 << 20, send: nil)
            return socket
        } catch {
            throw .failed(error)
        }
    }

    /// Gives every entry to `body`. Entries that come and go meanwhile may be missing or given twice.
    public mutating func dump(_ body: (ConntrackEntry) -> Void) throws(ConntrackError) {
        for family: IPFamily in [.v4, .v6] { try dump(family, source: nil, body) }
    }

    /// Deletes every entry whose originator is this address: the next flow of that address starts clean. Entries of flows towards the
    /// address stay.
    ///
    /// - Returns: the number of entries deleted.
    @discardableResult
    public mutating func purge(originalSource: IPAddress) throws(ConntrackError) -> Int {
        try purge([originalSource], where: { _ in true })
    }

    /// As above, for many addresses in one walk.
    @discardableResult
    public mutating func purge(originalSources: Set<IPAddress>) throws(ConntrackError) -> Int {
        try purge(originalSources, where: { _ in true })
    }

    /// Deletes every entry of DNS (destination port 53, UDP and TCP) that these addresses have begun: flows from before an address
    /// translation was installed bypass it.
    @discardableResult
    public mutating func purgePort53(originalSources: Set<IPAddress>) throws(ConntrackError) -> Int {
        try purge(originalSources) { ($0.transport == .udp || $0.transport == .tcp) && $0.original.destinationPort == 53 }
    }

    private static let passesMax = 16

    private func purge(_ sources: Set<IPAddress>, where isWanted: (ConntrackEntry) -> Bool) throws(ConntrackError) -> Int {
        var deleted = 0
        for family: IPFamily in [.v4, .v6] {
            let wanted = sources.filter { $0.family == family }
            guard !wanted.isEmpty else { continue }
            // One IPv4 address: the kernel filters. Its filter for IPv6 sources is inverted (seen in 6.18), so there we do.
            // A pass may miss what moves in the table, so the last one must have found nothing.
            let filter = wanted.count == 1 && family == .v4 ? wanted.first : nil
            var passes = 0
            var found = -1
            while found != 0 {
                guard passes < Self.passesMax else { throw .neverEmpty(passes: passes) }
                passes += 1
                found = 0
                try dump(family, source: filter) { (entry, bytes, message) throws(NetlinkError) in
                    guard wanted.contains(entry.original.source), isWanted(entry) else { return }
                    found += 1
                    if try Self.delete(writer, family, bytes, message) { deleted += 1 }
                }
            }
        }
        return deleted
    }

    /// Gives every entry of a family to `body`, or only those that an address has begun, as far as the kernel filters.
    func dump(_ family: IPFamily, source: IPAddress?, _ body: (ConntrackEntry) -> Void) throws(ConntrackError) {
        try dump(family, source: source) { (entry, _, _) throws(NetlinkError) in body(entry) }
    }

    func dump(
        _ family: IPFamily, source: IPAddress?, _ body: (ConntrackEntry, Span<UInt8>, NetlinkMessage) throws(NetlinkError) -> Void
    ) throws(ConntrackError) {
        do {
            _ = try reader.dump(Self.dumpRequest(family, source: source), "read conntrack") { (bytes, message) throws(NetlinkError) in
                if let entry = ConntrackEntry(decoding: bytes, message) { try body(entry, bytes, message) }
            }
        } catch {
            throw .failed(error)
        }
    }

    /// `IPCTNL_MSG_CT_GET`, with a filter for the IPv4 original source, which kernels before 5.8 ignore.
    private static func dumpRequest(_ family: IPFamily, source: IPAddress?) -> [UInt8] {
        var writer = NetlinkWriter()
        writer.begin(
            type: UInt16(NFNL_SUBSYS_CTNETLINK) << 8 | 1, flags: UInt16(NLM_F_REQUEST | NLM_F_DUMP), sequence: 1, family: number(family))
        if let source {
            writer.nested(1) { tuple in  // CTA_TUPLE_ORIG
                tuple.nested(1) { $0.attribute(1, source.networkBytes) }  // CTA_TUPLE_IP: CTA_IP_V4_SRC
            }
            writer.nested(25) { filter in  // CTA_FILTER: CTA_FILTER_ORIG_FLAGS = CTA_FILTER_F_CTA_IP_SRC; CTA_FILTER_REPLY_FLAGS = 0
                filter.attribute(1, [1, 0, 0, 0])
                filter.attribute(2, [0, 0, 0, 0])
            }
        }
        writer.end()
        return writer.bytes
    }

    /// Deletes the entry of a dump's message by its original tuple, zone and id; false if it was gone already.
    private static func delete(
        _ socket: borrowing NetlinkSocket, _ family: IPFamily, _ bytes: Span<UInt8>, _ message: NetlinkMessage
    ) throws(NetlinkError) -> Bool {
        var request = NetlinkWriter()
        request.begin(
            type: UInt16(NFNL_SUBSYS_CTNETLINK) << 8 | 2, flags: UInt16(NLM_F_REQUEST | NLM_F_ACK), sequence: 1, family: number(family))
        var offset = message.payloadStart + 4
        while let attribute = NetlinkAttribute(in: bytes, at: &offset, end: message.payloadEnd) {
            // CTA_TUPLE_ORIG is nested; CTA_ID and CTA_ZONE are numbers, copied as they came.
            let flag: UInt16 = attribute.type == 1 ? 0x8000 : 0
            guard [1, 12, 18].contains(attribute.type) else { continue }
            request.attribute(attribute.type | flag, (attribute.start..<attribute.end).map { bytes[$0] })
        }
        request.end()
        do {
            try socket.transact(request.bytes, "delete a conntrack entry")
            return true
        } catch {
            guard error.errno == ENOENT else { throw error }
            return false
        }
    }

    static func number(_ family: IPFamily) -> UInt8 { family == .v4 ? UInt8(AF_INET) : UInt8(AF_INET6) }
}
