import CNetfilter
import Netlink

extension TableSocket {
    /// Flowtables of all tables of the calling thread's network namespace, each as `ip filter fast`: family, table and name. We have none.
    public static func flowtables() throws(TableError) -> [String] {
        var names: [String] = []
        do throws(NetlinkError) {
            let socket = try NetlinkSocket()
            var writer = NetlinkWriter()
            writer.begin(
                type: UInt16(NFNL_SUBSYS_NFTABLES) << 8 | UInt16(NFT_MSG_GETFLOWTABLE.rawValue),
                flags: UInt16(NLM_F_REQUEST | NLM_F_DUMP), sequence: 1, family: 0)
            writer.end()
            _ = try socket.dump(writer.bytes, "list flowtables") { bytes, message in
                if let name = flowtable(decoding: bytes, message) { names.append(name) }
            }
        } catch {
            throw .refused(error)
        }
        return names
    }

    /// One message of the dump (`enum nft_flowtable_attributes`, linux/netfilter/nf_tables.h).
    package static func flowtable(decoding bytes: Span<UInt8>, _ message: NetlinkMessage) -> String? {
        guard message.type & 0xff == UInt16(NFT_MSG_NEWFLOWTABLE.rawValue), message.payloadEnd - message.payloadStart >= 4 else {
            return nil
        }
        let family =
            switch bytes[message.payloadStart] {
            case 1: "inet"
            case 2: "ip"
            case 10: "ip6"
            case let other: "\(other)"
            }
        var (table, name) = ("", "")
        var offset = message.payloadStart + 4
        while let attribute = NetlinkAttribute(in: bytes, at: &offset, end: message.payloadEnd) {
            if attribute.type == 1 { table = text(bytes, attribute) }  // NFTA_FLOWTABLE_TABLE
            if attribute.type == 2 { name = text(bytes, attribute) }  // NFTA_FLOWTABLE_NAME
        }
        return name.isEmpty ? nil : "\(family) \(table) \(name)"
    }
}
