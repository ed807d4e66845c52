import CNetfilter
import Netlink

/// Puts the announcements of nf_tables together to transactions: first what was made and deleted, each with its table, then
/// `NFT_MSG_NEWGEN` with who did it.
///
/// Every announcement but `NFT_MSG_NEWGEN` has the table's name as its attribute 1 (linux/netfilter/nf_tables.h).
struct RulesetReader {
    private let table: [UInt8]
    private var touchesTable = false

    init(table: String) { self.table = Array(table.utf8) }

    /// The transactions that end in this datagram.
    mutating func handle(_ bytes: Span<UInt8>) -> [RulesetChange] {
        var changes: [RulesetChange] = []
        var offset = 0
        while let message = NetlinkMessage(in: bytes, at: &offset) {
            guard message.type >> 8 == UInt16(NFNL_SUBSYS_NFTABLES), message.payloadEnd - message.payloadStart >= 4 else { continue }
            if message.type & 0xff == UInt16(NFT_MSG_NEWGEN.rawValue) {
                changes.append(generation(bytes, message))
                touchesTable = false
            } else if !touchesTable {
                touchesTable = isOurs(bytes, message)
            }
        }
        return changes
    }

    private func isOurs(_ bytes: Span<UInt8>, _ message: NetlinkMessage) -> Bool {
        guard bytes[message.payloadStart] == 1 else { return false }  // NFPROTO_INET
        var offset = message.payloadStart + 4
        while let attribute = NetlinkAttribute(in: bytes, at: &offset, end: message.payloadEnd) {
            guard attribute.type == 1 else { continue }
            guard attribute.count == table.count + 1 else { return false }
            for index in table.indices where bytes[attribute.start + index] != table[index] { return false }
            return true
        }
        return false
    }

    private func generation(_ bytes: Span<UInt8>, _ message: NetlinkMessage) -> RulesetChange {
        var change = RulesetChange(portID: message.portID, processID: 0, processName: "", touchesTable: touchesTable)
        var offset = message.payloadStart + 4
        while let attribute = NetlinkAttribute(in: bytes, at: &offset, end: message.payloadEnd) {
            switch attribute.type {
            case 2 where attribute.count == 4: change.processID = bytes.netlinkBig32(at: attribute.start)  // NFTA_GEN_PROC_PID
            case 3: change.processName = TableSocket.text(bytes, attribute)  // NFTA_GEN_PROC_NAME
            default: break
            }
        }
        return change
    }
}
