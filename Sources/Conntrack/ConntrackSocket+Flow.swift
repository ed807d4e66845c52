import CNetfilter
import Glibc
import Netlink
import NetworkTypes

extension ConntrackSocket {
    /// The entry of which this is one of the two tuples; nil if there is none. One call of the kernel.
    public mutating func find(_ addresses: FlowAddresses, _ transport: TransportProtocol, zone: UInt16 = 0) throws(ConntrackError)
        -> ConntrackEntry?
    {
        var found: ConntrackEntry?
        do {
            try writer.ask(Self.request(1, flags: 0, addresses, transport, zone) { _ in }, "find a conntrack entry") { bytes, message in
                if found == nil { found = ConntrackEntry(decoding: bytes, message) }
            }
        } catch {
            guard error.errno == ENOENT else { throw .failed(error) }
        }
        return found
    }

    /// The entry of a flow by what its originator and its responder are: the source of its original tuple and the source of its reply tuple, so that
    /// address translation between them is of no matter. Two calls of the kernel, or where both addresses were translated a walk over
    /// its table.
    ///
    /// - Parameter walks: whether to walk.
    public mutating func find(
        originator: IPAddress, port originatorPort: UInt16, responder: IPAddress, port responderPort: UInt16,
        _ transport: TransportProtocol,
        walks: Bool
    ) throws(ConntrackError) -> ConntrackEntry? {
        func isIt(_ entry: ConntrackEntry) -> Bool {
            entry.transport == transport && entry.original.source == originator && entry.original.sourcePort == originatorPort
                && entry.reply.source == responder && entry.reply.sourcePort == responderPort
        }
        let forward = FlowAddresses(
            source: originator, destination: responder, sourcePort: originatorPort, destinationPort: responderPort)
        for tuple in [forward, forward.reversed] {
            if let entry = try find(tuple, transport), isIt(entry) { return entry }
        }
        guard walks else { return nil }
        var found: ConntrackEntry?
        try dump(originator.family, source: originator.family == .v4 ? originator : nil) { entry in
            if isIt(entry) { found = entry }
        }
        return found
    }

    /// Changes the bits of `mask` in the mark of the flow with this original tuple, and no other bit; false if there is no such flow.
    public mutating func setMark(
        _ mark: UInt32, mask: UInt32, of original: FlowAddresses, _ transport: TransportProtocol, zone: UInt16 = 0
    ) throws(ConntrackError) -> Bool {
        // IPCTNL_MSG_CT_NEW without NLM_F_CREATE changes what is there.
        let request = Self.request(0, flags: UInt16(NLM_F_ACK), original, transport, zone) { writer in
            writer.attributeBig32(8, mark & mask)  // CTA_MARK
            writer.attributeBig32(21, mask)  // CTA_MARK_MASK
        }
        do {
            try writer.transact(request, "change a conntrack mark")
            return true
        } catch {
            guard error.errno == ENOENT else { throw .failed(error) }
            return false
        }
    }

    /// Lets the flow with this original tuple end so many seconds from now if nothing comes; its next packet sets the time anew. False if
    /// there is no such flow.
    public mutating func setTimeout(
        seconds: UInt32, of original: FlowAddresses, _ transport: TransportProtocol, zone: UInt16 = 0
    ) throws(ConntrackError) -> Bool {
        let request = Self.request(0, flags: UInt16(NLM_F_ACK), original, transport, zone) { writer in
            writer.attributeBig32(7, seconds)  // CTA_TIMEOUT
        }
        do {
            try writer.transact(request, "change the time of a conntrack entry")
            return true
        } catch {
            guard error.errno == ENOENT else { throw .failed(error) }
            return false
        }
    }

    /// Gives every entry to `body` whose mark has these bits under the mask. The kernel looks for them, so that only they are copied.
    public mutating func dump(mark: UInt32, mask: UInt32, _ body: (ConntrackEntry) -> Void) throws(ConntrackError) {
        for family: IPFamily in [.v4, .v6] {
            var request = NetlinkWriter()
            request.begin(
                type: UInt16(NFNL_SUBSYS_CTNETLINK) << 8 | 1, flags: UInt16(NLM_F_REQUEST | NLM_F_DUMP), sequence: 1,
                family: Self.number(family))
            request.attributeBig32(8, mark)  // CTA_MARK
            request.attributeBig32(21, mask)  // CTA_MARK_MASK
            request.end()
            do {
                _ = try reader.dump(request.bytes, "read conntrack") { (bytes, message) throws(NetlinkError) in
                    if let entry = ConntrackEntry(decoding: bytes, message), entry.mark & mask == mark { body(entry) }
                }
            } catch {
                throw .failed(error)
            }
        }
    }

    /// A message about one entry.
    static func request(
        _ type: UInt16, flags: UInt16, _ addresses: FlowAddresses, _ transport: TransportProtocol, _ zone: UInt16,
        _ rest: (inout NetlinkWriter) -> Void
    ) -> [UInt8] {
        let family = addresses.source.family
        var writer = NetlinkWriter()
        writer.begin(
            type: UInt16(NFNL_SUBSYS_CTNETLINK) << 8 | type, flags: UInt16(NLM_F_REQUEST) | flags, sequence: 1,
            family: family == .v4 ? UInt8(AF_INET) : UInt8(AF_INET6))
        // CTA_TUPLE_ORIG: the kernel looks for it among the tuples of both directions.
        writeTuple(1, addresses, transport, &writer)
        if zone != 0 { writer.attributeBig16(18, zone) }  // CTA_ZONE
        rest(&writer)
        writer.end()
        return writer.bytes
    }

    /// `CTA_TUPLE_ORIG` (1) or `CTA_TUPLE_REPLY` (2).
    static func writeTuple(_ type: UInt16, _ addresses: FlowAddresses, _ transport: TransportProtocol, _ writer: inout NetlinkWriter) {
        let family = addresses.source.family
        writer.nested(type) { tuple in
            tuple.nested(1) { part in  // CTA_TUPLE_IP
                part.attribute(family == .v4 ? 1 : 3, addresses.source.networkBytes)
                part.attribute(family == .v4 ? 2 : 4, addresses.destination.networkBytes)
            }
            tuple.nested(2) { part in  // CTA_TUPLE_PROTO
                part.attribute(1, [transport.rawValue])
                switch transport {
                case .icmp, .icmpv6:
                    let first: UInt16 = transport == .icmp ? 4 : 7
                    part.attributeBig16(first, addresses.sourcePort)
                    part.attribute(first + 1, [UInt8(addresses.destinationPort >> 8)])
                    part.attribute(first + 2, [UInt8(truncatingIfNeeded: addresses.destinationPort)])
                default:
                    part.attributeBig16(2, addresses.sourcePort)
                    part.attributeBig16(3, addresses.destinationPort)
                }
            }
        }
    }
}
