import CNetfilter
import Netlink

extension TableSocket {
    /// A number that stands for the table's flags, sets, chains and rules as they are in the kernel now (the elements of the sets aside);
    /// nil if there is no table. Equal while nobody has changed any of them. It means nothing in another process.
    public func fingerprint(table: String = "exeat") throws(TableError) -> Int? {
        guard let state = try tableState(table) else { return nil }
        var hasher = Hasher()
        hasher.combine(state.flags)
        // NFTA_SET_NAME, FLAGS, KEY_TYPE, KEY_LEN, DATA_TYPE, DATA_LEN, TIMEOUT: newer kernels also tell how many elements there are.
        try combine(NFT_MSG_GETSET, only: [2, 3, 4, 5, 6, 7, 11], table, &hasher)
        // NFTA_CHAIN_HANDLE, NAME, HOOK, POLICY, TYPE, FLAGS: not how often it is used.
        try combine(NFT_MSG_GETCHAIN, only: [2, 3, 4, 5, 7, 10], table, &hasher)
        // NFTA_RULE_CHAIN, HANDLE, EXPRESSIONS, COMPAT: a rule's place is its place in the answer.
        try combine(NFT_MSG_GETRULE, only: [2, 3, 4, 5], table, &hasher)
        return hasher.finalize()
    }

    private func combine(
        _ type: nf_tables_msg_types, only wanted: Set<UInt16>, _ table: String, _ hasher: inout Hasher
    ) throws(TableError) {
        // NFTA_SET_TABLE, NFTA_RULE_TABLE; of chains the kernel tells all.
        let request = Self.dumpRequest(type) { if type != NFT_MSG_GETCHAIN { $0.attribute(1, Array(table.utf8) + [0]) } }
        let empty: [[UInt8]] = []
        let parts = try dumpWhole(request, "read table inet \(table)", into: empty) { parts, bytes, message in
            var offset = message.payloadStart + 4
            var isOurs = false
            var part: [UInt8] = []
            while let attribute = NetlinkAttribute(in: bytes, at: &offset, end: message.payloadEnd) {
                if attribute.type == 1 { isOurs = Self.text(bytes, attribute) == table }
                guard wanted.contains(attribute.type) else { continue }
                part.append(UInt8(truncatingIfNeeded: attribute.type))
                for index in attribute.start..<attribute.end { part.append(bytes[index]) }
            }
            if isOurs { parts.append(part) }
        }
        hasher.combine(parts)
    }
}
