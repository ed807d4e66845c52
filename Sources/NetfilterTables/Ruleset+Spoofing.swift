import CNetfilter
import NetworkTypes

/// Ahead of connection tracking: marks from outside are cleared, and who may send from which address is checked ("workload", "neighbours", "elsewhere").
extension Ruleset.Builder {
    /// Nothing that "workload" asks below is of TCP, but for the source: bulk comes this way. The protocol is that behind all extension headers; where
    /// these cannot be followed there is none, and the rule ends.
    mutating func knownTCP() {
        for family: IPFamily in [.v4, .v6] {
            rule(
                "workload", isFamily(family), Expression.isProtocol(Ruleset.tcp), isKnown(family), [.verdict(.accept)],
                comment: family == .v4 ? "TCP from its own address" : nil)
        }
    }

    mutating func spoofing() {
        rule("raw_prerouting", Expression.setPacketMark(clear: mask, set: 0), comment: "a mark from outside is no verdict")
        rule("raw_output", Expression.setPacketMark(clear: mask, set: 0), comment: "a mark set by a socket is no verdict")
        rule("raw_prerouting", Expression.isInputInterface("lo"), [.verdict(.accept)])
        for pattern in configuration.workloadInterfaces {
            rule("raw_prerouting", Expression.isInputInterface(pattern), [.verdict(.goto("workload"))])
        }
        rule("raw_prerouting", [.verdict(.goto("elsewhere"))])

        // Only with a source that is never forwarded nor answered beyond the link: with any other these messages would be a way out.
        for (mask, prefix): ([UInt8], [UInt8]) in [
            ([0xff, 0xc0], [0xfe, 0x80]), (Array(repeating: 0xff, count: 16), Array(repeating: 0, count: 16)),
        ] {
            rule(
                "workload", Expression.isIPv6,
                [
                    .loadPayload(
                        base: NFT_PAYLOAD_NETWORK_HEADER.rawValue, offset: 8, count: UInt32(mask.count), into: Ruleset.lookupRegister),
                    .bitwise(register: Ruleset.lookupRegister, mask: mask, xor: Array(repeating: 0, count: mask.count)),
                    .compare(NFT_CMP_EQ.rawValue, register: Ruleset.lookupRegister, prefix), .verdict(.jump("neighbours")),
                ], comment: "from a link-local source, or none (duplicate address detection)")
        }
        for type: UInt8 in [133, 135, 136] {  // router solicitation, neighbour solicitation and advertisement, DAD included
            rule("neighbours", icmpv6Type(type, hopLimit: 255), [.verdict(.accept)], comment: type == 133 ? "neighbour discovery" : nil)
        }
        for type: UInt8 in [131, 132, 143] {  // reports and done of MLD version 1, reports of version 2
            rule("neighbours", icmpv6Type(type, hopLimit: 1), [.verdict(.accept)], comment: type == 131 ? "multicast listener" : nil)
        }
        rule(
            "neighbours",
            Expression.payload(NFT_PAYLOAD_NETWORK_HEADER, 24, equals: [0xff, 2] + Array(repeating: 0, count: 11) + [1, 0, 2]),
            Expression.isProtocol(Ruleset.udp), transportPort(source: true, 546), transportPort(source: false, 547), [.verdict(.accept)],
            comment: "DHCPv6")
        // From no address: that of another would be judged as that one's, and spend its rates. Who renews one has it.
        rule(
            "workload", Expression.isIPv4, Expression.payload(NFT_PAYLOAD_NETWORK_HEADER, 12, equals: [0, 0, 0, 0]),
            Expression.payload(NFT_PAYLOAD_NETWORK_HEADER, 16, equals: [255, 255, 255, 255]),
            Expression.isProtocol(Ruleset.udp), transportPort(source: true, 68), transportPort(source: false, 67), [.verdict(.accept)],
            comment: "DHCP")
        // A tunnel could carry packets with any source past everything that is checked here.
        rule("workload", Expression.isProtocol(Ruleset.ipInIP), deny(.encapsulation), comment: "IP in IP")
        rule(
            "workload", Expression.isProtocol(Ruleset.udp), transportPort(source: false, configuration.vxlanPort), deny(.encapsulation),
            comment: "VXLAN")
        for family: IPFamily in [.v4, .v6] {
            rule(
                "workload", isFamily(family), isKnown(family), [.verdict(.accept)])
        }
        rule("workload", deny(.unknownEndpoint))

        for family: IPFamily in [.v4, .v6] {
            rule("elsewhere", source(family), isPoliced(family), deny(.spoofedSource))
        }
        for prefix in configuration.podPrefixes {
            rule("elsewhere", source(prefix.address.family), isIn(prefix), deny(.spoofedSource))
        }
        untrackedOfOthers()
    }
}
