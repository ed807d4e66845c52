import CNetfilter
import Glibc
import Netlink
import NetworkTypes

extension ConntrackSocket {
    /// Gives every entry to `wanted`, and writes the mark that it returns, if any, into the entry. Entries that come and go meanwhile are
    /// passed over.
    ///
    /// - Returns: the number of entries written.
    @discardableResult
    public mutating func setMarks(_ wanted: (ConntrackEntry) -> UInt32?) throws(ConntrackError) -> Int {
        var written = 0
        for family: IPFamily in [.v4, .v6] {
            try dump(family, source: nil) { (entry, bytes, message) throws(NetlinkError) in
                guard let mark = wanted(entry) else { return }
                if try Self.setMark(mark, writer, family, bytes, message) { written += 1 }
            }
        }
        return written
    }

    /// `IPCTNL_MSG_CT_NEW` without `NLM_F_CREATE` changes the entry with this original tuple; false if it was gone already.
    private static func setMark(
        _ mark: UInt32, _ socket: borrowing NetlinkSocket, _ family: IPFamily, _ bytes: Span<UInt8>, _ message: NetlinkMessage
    ) throws(NetlinkError) -> Bool {
        var request = NetlinkWriter()
        request.begin(
            type: UInt16(NFNL_SUBSYS_CTNETLINK) << 8, flags: UInt16(NLM_F_REQUEST | NLM_F_ACK), sequence: 1, family: number(family))
        var offset = message.payloadStart + 4
        while let attribute = NetlinkAttribute(in: bytes, at: &offset, end: message.payloadEnd) {
            // CTA_TUPLE_ORIG is nested; CTA_ZONE is a number, copied as it came.
            let flag: UInt16 = attribute.type == 1 ? 0x8000 : 0
            guard [1, 18].contains(attribute.type) else { continue }
            request.attribute(attribute.type | flag, (attribute.start..<attribute.end).map { bytes[$0] })
        }
        request.attributeBig32(8, mark)  // CTA_MARK
        request.end()
        do {
            try socket.transact(request.bytes, "mark a conntrack entry")
            return true
        } catch {
            guard error.errno == ENOENT else { throw error }
            return false
        }
    }
}
