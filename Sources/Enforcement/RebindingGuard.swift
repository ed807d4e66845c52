import DomainNames
import NetworkTypes

/// Refuses answers by which a name from outside points inside: to the node itself, its neighbours, the cloud's metadata
/// service or private networks (DNS rebinding). Names in `exemptZones` may resolve to anything.
public struct RebindingGuard: Sendable {
    public var isEnabled: Bool
    public var exemptZones: [DomainName]
    /// Prefixes that are allowed although the built-in list refuses them.
    public var permitted: [IPPrefix]

    public init(isEnabled: Bool = true, exemptZones: [DomainName] = [], permitted: [IPPrefix] = []) {
        self.isEnabled = isEnabled
        self.exemptZones = exemptZones
        self.permitted = permitted
    }

    /// Special-purpose addresses (IANA registries, RFC 6890): this network, private, CGNAT, loopback, link-local (metadata
    /// services among them), multicast, broadcast; and their IPv6 counterparts.
    private static let insideV4: [(UInt32, UInt32)] = [
        (0x0000_0000, 0xff00_0000), (0x0a00_0000, 0xff00_0000), (0x6440_0000, 0xffc0_0000), (0x7f00_0000, 0xff00_0000),
        (0xa9fe_0000, 0xffff_0000), (0xac10_0000, 0xfff0_0000), (0xc0a8_0000, 0xffff_0000), (0xe000_0000, 0xe000_0000),
    ]

    /// Whether the answer must be refused.
    public func refuses(_ name: DomainName, _ addresses: [IPAddress]) -> Bool {
        guard isEnabled else { return false }
        for address in addresses where Self.isInside(address) {
            if permitted.contains(where: { $0.contains(address) }) { continue }
            if exemptZones.contains(where: { name.isSubdomain(of: $0) }) { return false }
            return true
        }
        return false
    }

    /// Whether an address is of the node, its neighbours or a private network.
    public static func isInside(_ address: IPAddress) -> Bool {
        switch address.family {
        case .v4:
            return insideV4.contains { address.v4 & $0.1 == $0.0 }
        case .v6:
            if let mapped = address.mappedV4 { return isInside(mapped) }
            // NAT64 (64:ff9b::/96, RFC 6052) carries an IPv4 address in its last 32 bits.
            if address.upper == 0x0064_ff9b_0000_0000, address.lower >> 32 == 0 {
                return isInside(IPAddress(v4: UInt32(truncatingIfNeeded: address.lower)))
            }
            if address.upper == 0, address.lower <= 1 { return true }  // :: and ::1
            let top = address.upper >> 48
            return top & 0xfe00 == 0xfc00  // unique local, RFC 4193
                || top & 0xffc0 == 0xfe80  // link-local
                || top & 0xff00 == 0xff00  // multicast
                || address.upper >> 32 == 0x0064_ff9b && address.upper & 0xffff_ffff != 0  // local-use NAT64, RFC 8215
        }
    }
}
