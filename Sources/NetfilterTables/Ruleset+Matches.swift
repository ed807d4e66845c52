import CNetfilter
import NetworkTypes

/// What rules load and compare: addresses, ports, sets.
extension Ruleset.Builder {
    func loadSource(_ family: IPFamily) -> Expression {
        .loadPayload(
            base: NFT_PAYLOAD_NETWORK_HEADER.rawValue, offset: family == .v4 ? 12 : 8, count: family == .v4 ? 4 : 16,
            into: Ruleset.lookupRegister)
    }

    func loadDestination(_ family: IPFamily) -> Expression {
        .loadPayload(
            base: NFT_PAYLOAD_NETWORK_HEADER.rawValue, offset: family == .v4 ? 16 : 24, count: family == .v4 ? 4 : 16,
            into: Ruleset.lookupRegister)
    }

    func isFamily(_ family: IPFamily) -> [Expression] { family == .v4 ? Expression.isIPv4 : Expression.isIPv6 }

    func source(_ family: IPFamily) -> [Expression] { isFamily(family) + [loadSource(family)] }

    func destination(_ family: IPFamily) -> [Expression] { isFamily(family) + [loadDestination(family)] }

    func isPoliced(_ family: IPFamily, inverted: Bool = false) -> [Expression] {
        [.lookup(set: ElementSet.policed(family).name, register: Ruleset.lookupRegister, isInverted: inverted)]
    }

    /// The address in the lookup register is one that the resolver asks.
    func isUpstream(_ family: IPFamily) -> [Expression] {
        [.lookup(set: ElementSet.upstreams(family).name, register: Ruleset.lookupRegister, isInverted: false)]
    }

    /// Loads `ct original saddr`, the endpoint of the flow.
    func originalSource(_ family: IPFamily) -> [Expression] {
        isFamily(family)
            + [
                .loadConntrack(
                    family == .v4 ? NFT_CT_SRC_IP.rawValue : NFT_CT_SRC_IP6.rawValue, direction: 0, into: Ruleset.lookupRegister)
            ]
    }

    /// (input interface . source) is in `known`.
    func isKnown(_ family: IPFamily) -> [Expression] {
        [
            .loadMeta(NFT_META_IIFNAME.rawValue, into: 1),
            .loadPayload(
                base: NFT_PAYLOAD_NETWORK_HEADER.rawValue, offset: family == .v4 ? 12 : 8, count: family == .v4 ? 4 : 16, into: 2),
            .lookup(set: ElementSet.known(family).name, register: Ruleset.lookupRegister, isInverted: false),
        ]
    }

    /// (`ct original saddr` . our bits of ct mark) is in `current`.
    func isCurrent(_ family: IPFamily) -> [Expression] {
        let markRegister: UInt32 = family == .v4 ? 9 : 2
        return originalSource(family) + [
            .loadConntrack(NFT_CT_MARK.rawValue, direction: nil, into: markRegister),
            .bitwise(register: markRegister, mask: Expression.native(mask), xor: Expression.native(0)),
            .lookup(set: ElementSet.current(family).name, register: Ruleset.lookupRegister, isInverted: false),
        ]
    }

    /// (source . our bits of the packet mark) is in `current`: for packets without a conntrack entry, which bear their verdict themselves.
    func isCurrentPacket(_ family: IPFamily) -> [Expression] {
        let markRegister: UInt32 = family == .v4 ? 9 : 2
        return source(family) + [
            .loadMeta(NFT_META_MARK.rawValue, into: markRegister),
            .bitwise(register: markRegister, mask: Expression.native(mask), xor: Expression.native(0)),
            .lookup(set: ElementSet.current(family).name, register: Ruleset.lookupRegister, isInverted: false),
        ]
    }

    /// The address in the lookup register lies in the prefix.
    func isIn(_ prefix: IPPrefix) -> [Expression] {
        let bits = prefix.address.family.addressBits
        let bytes = (0..<bits / 8).map { index in
            UInt8(truncatingIfNeeded: 0xff00 >> min(8, max(0, Int(prefix.length) - 8 * index)))
        }
        return [
            .bitwise(register: Ruleset.lookupRegister, mask: bytes, xor: Array(repeating: 0, count: bytes.count)),
            .compare(NFT_CMP_EQ.rawValue, register: Ruleset.lookupRegister, prefix.address.networkBytes),
        ]
    }

    func transportPort(source: Bool, _ port: UInt16) -> [Expression] {
        Expression.payload(NFT_PAYLOAD_TRANSPORT_HEADER, source ? 0 : 2, equals: Expression.big(port))
    }

    func icmpv6Type(_ type: UInt8, hopLimit: UInt8) -> [Expression] {
        Expression.isIPv6 + Expression.isProtocol(Ruleset.icmpv6) + Expression.payload(NFT_PAYLOAD_NETWORK_HEADER, 7, equals: [hopLimit])
            + Expression.payload(NFT_PAYLOAD_TRANSPORT_HEADER, 0, equals: [type])
    }

    func isTo(_ address: IPAddress) -> [Expression] {
        destination(address.family) + [.compare(NFT_CMP_EQ.rawValue, register: Ruleset.lookupRegister, address.networkBytes)]
    }

    func isFrom(_ address: IPAddress) -> [Expression] {
        source(address.family) + [.compare(NFT_CMP_EQ.rawValue, register: Ruleset.lookupRegister, address.networkBytes)]
    }

    /// Sent to a listen address of the interceptor.
    func isQuery(to address: IPAddress, _ transport: UInt8) -> [Expression] {
        isTo(address) + Expression.isProtocol(transport) + transportPort(source: false, configuration.dnsPort)
    }

    func isAnswer(from address: IPAddress, _ transport: UInt8) -> [Expression] {
        isFrom(address) + Expression.isProtocol(transport) + transportPort(source: true, configuration.dnsPort)
    }
}
