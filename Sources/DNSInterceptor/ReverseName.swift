import DomainNames
import NetworkTypes

/// The name under which an address is looked up (RFC 1035 §3.5, RFC 3596 §2.5).
enum ReverseName {
    static func of(_ address: IPAddress) -> DomainName {
        let top: String
        var labels: [String]
        switch address.family {
        case .v4:
            top = "in-addr"
            labels = (0..<4).map { String(address.v4 >> UInt32(24 - 8 * $0) & 0xff) }
        case .v6:
            top = "ip6"
            labels = [address.upper, address.lower].flatMap { half in
                (0..<16).map { String(half >> UInt64(60 - 4 * $0) & 0xf, radix: 16) }
            }
        }
        labels = ["arpa", top] + labels
        let bytes = labels.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
        guard let name = try? DomainName(rootFirst: bytes) else { preconditionFailure("labels of digits make a name") }
        return name
    }
}
