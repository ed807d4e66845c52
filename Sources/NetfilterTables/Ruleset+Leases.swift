import CNetfilter
import NetworkTypes

/// Kernel leases: verdicts of first packets, remembered by the rules themselves (`ElementSet.leases`).
extension Ruleset.Builder {
    /// Verdicts by destination. What a lease gives has to be current like a verdict, and is no more than the first packet's: the flow
    /// lives on by its ct mark.
    mutating func leases() {
        let dataRegister: UInt32 = 4
        rule("lease", transportPort(source: true, 0), [.verdict(.return)], comment: "malformed")
        for family: IPFamily in [.v4, .v6] {
            rule(
                "lease", leaseKey(family),
                [
                    .map(ElementSet.leases(family).name, key: Ruleset.lookupRegister, into: Ruleset.lookupRegister),
                    .setMetaMark(from: Ruleset.lookupRegister),
                ])
            let markRegister: UInt32 = family == .v4 ? 9 : 2
            rule(
                "lease", originalSource(family),
                [
                    .loadMeta(NFT_META_MARK.rawValue, into: markRegister),
                    .bitwise(register: markRegister, mask: Expression.native(mask), xor: Expression.native(0)),
                    .lookup(set: ElementSet.current(family).name, register: Ruleset.lookupRegister, isInverted: false),
                    .verdict(.goto("leased")),
                ], comment: family == .v4 ? "of a generation that is still valid" : nil)
        }
        // Else the lease of the new generation would have to wait until the old one has ended.
        for family: IPFamily in [.v4, .v6] {
            rule(
                "lease", Expression.packetMark(mask, NFT_CMP_NEQ, 0), leaseKey(family),
                [
                    .loadMeta(NFT_META_MARK.rawValue, into: dataRegister),
                    .deleteElement(map: ElementSet.leases(family).name, key: Ruleset.lookupRegister, data: dataRegister),
                ], comment: family == .v4 ? "of another generation" : nil)
        }
        rule("lease", Expression.setPacketMark(clear: .max, set: 0))
        // The whole of both marks was 0 until now.
        rule(
            "leased", asksForName, Expression.setPacketMark(clear: .max, set: 0),
            Expression.setFlowMark(clear: mask, set: mark.deposit(mark.pending)), [.counter(.leased), .verdict(.goto("leased_observed"))],
            comment: "its hello is looked at")
        rule("leased_observed", Expression.isIPv4, [.verdict(.jump("bare4"))])
        rule("leased_observed", Expression.isIPv6, [.verdict(.jump("bare6"))])
        rule("leased_observed", [.verdict(.goto("hello"))], comment: "a SYN with data")
        rule("leased", [.loadMeta(NFT_META_MARK.rawValue, into: 1), .setConntrackMark(from: 1)])
        rule("leased", Expression.setPacketMark(clear: .max, set: 0), [.counter(.leased), .verdict(.accept)])
    }

    /// From the first accepted SYN of connections whose hello is observed: the lease bears the bits that ask for it.
    mutating func rememberObserved() {
        for family: IPFamily in [.v4, .v6] {
            rule(
                "admitted", asksForNameAndLease, addLease(family, bits: mark.observedBits), [.verdict(.goto("observed"))],
                comment: family == .v4 ? "a lease was asked for" : nil)
        }
        rule("admitted", asksForNameAndLease, [.counter(.leaseRefused), .verdict(.goto("observed"))], comment: "the map is full")
    }

    /// From the first accepted packet.
    mutating func rememberLeases() {
        rule("admitted", Expression.packetMark(mark.foreignBits, NFT_CMP_NEQ, mark.foreignBits), [.verdict(.accept)])
        rule("admitted", Expression.setPacketMark(clear: .max, set: 0), comment: "a lease was asked for")
        for family: IPFamily in [.v4, .v6] {
            rule("admitted", addLease(family, bits: 0), [.verdict(.accept)])
        }
        rule("admitted", [.counter(.leaseRefused)], comment: "the map is full")
    }

    /// Adds (key -> the flow's generation, and these foreign bits); the rule ends here if there is no room.
    private func addLease(_ family: IPFamily, bits: UInt32) -> [Expression] {
        let dataRegister: UInt32 = 4
        return leaseKey(family) + [
            .loadConntrack(NFT_CT_MARK.rawValue, direction: nil, into: dataRegister),
            .bitwise(register: dataRegister, mask: Expression.native(mask), xor: Expression.native(bits)),
            .addElement(map: ElementSet.leases(family).name, key: Ruleset.lookupRegister, data: dataRegister),
        ]
    }

    /// (source . destination . protocol . destination port) from register 1 on.
    func leaseKey(_ family: IPFamily) -> [Expression] {
        let isV4 = family == .v4
        return source(family) + [
            .loadPayload(
                base: NFT_PAYLOAD_NETWORK_HEADER.rawValue, offset: isV4 ? 16 : 24, count: isV4 ? 4 : 16, into: isV4 ? 9 : 2),
            .loadMeta(NFT_META_L4PROTO.rawValue, into: isV4 ? 10 : 16),
            .loadPayload(base: NFT_PAYLOAD_TRANSPORT_HEADER.rawValue, offset: 2, count: 2, into: isV4 ? 11 : 17),
        ]
    }

    var asksForLease: [Expression] { Expression.packetMark(mark.foreignBits, NFT_CMP_EQ, mark.foreignBits) }
}
