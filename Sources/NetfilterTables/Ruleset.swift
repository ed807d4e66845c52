import CNetfilter
import NetworkTypes

/// The chains and rules of the table `inet exeat`, as values: what is enforced, and in which order.
///
/// ```
/// prerouting -300 (raw, before conntrack)  "raw_prerouting": clear our packet mark bits; spoofing -> "workload" or "elsewhere";
///                                          SYNs too fast? drop ("begin4"); what is asked of the interceptor itself is not tracked
/// output     -300                          "raw_output": clear our packet mark bits; the answers to that are not tracked
/// prerouting -110 (nat, before kube-proxy) "dns_prerouting": DNS of policed endpoints to anybody else -> the interceptor
/// forward, input, output 20 (filter)       verdict in the packet mark? -> "stamp"; the interceptor's own traffic; -> "judge"
///
/// "judge":  current? accept | denied? -> "revoked" | invalid, untracked, mid-stream | new: too many, or too fast ("begin4")? drop; -> "lease"
///           | original source not policed? accept | -> "decide"
/// "lease":  destination -> mark of an earlier verdict, still current? -> ct mark, accept
/// "decide": pending? -> "pending" | checkedQUIC? -> "checked" | the question goes into the packet mark -> "ask"
/// "ask":    more questions of this source than it may have? -> "limited" | NFQUEUE
/// "pending": TCP without payload that neither begins nor ends the connection nor is urgent? accept | -> "hello"
/// "checked": from the responder, or one datagram with a short header? accept | the whole packet to the queue of "hello", as a question of its own
/// "hello":  the question goes into the packet mark, the whole packet to the NFQUEUE of its own
/// "unasked": UDP that came in, from an upstream or port 53? -> "no_socket": no socket waits for it? count
/// "stamp":  reject? -> "refuse" | denied? -> ct mark, "revoked" | packet mark -> ct mark | still current? -> "admitted" | -> "judge" again
/// "admitted": only observed? ct mark "pending" behind this packet, accept | a lease was asked for? remember it | accept
/// ```
/// A verdict is `NF_REPEAT` with our bits of the packet mark set: the packet enters the same base chain again, from its start. So
/// nothing but the chain that queued a packet ever sees a verdict, and the marks are cleared before any other hook.
///
/// Priority 20: behind the filter chains of others (0), so that what they drop costs no queue trip and what they accept is still
/// judged; behind DNAT in prerouting and output (-100), so that policy sees the real destination; before source NAT (100).
struct Ruleset: Sendable, Hashable {
    let chains: [Chain]
    let rules: [Rule]

    /// `NF_CT_STATE_*_BIT`: see linux/netfilter/nf_conntrack_common.h; invalid and untracked are bits 0 and 6.
    static let invalid: UInt32 = 1 << 0
    static let related: UInt32 = 1 << 2
    static let new: UInt32 = 1 << 3
    static let untracked: UInt32 = 1 << 6
    /// `IPS_EXPECTED`.
    static let expected: UInt32 = 1 << 0
    static let tcp: UInt8 = 6
    static let udp: UInt8 = 17
    static let sctp: UInt8 = 132
    static let ipInIP: UInt8 = 4
    static let icmp: UInt8 = 1
    static let icmpv6: UInt8 = 58
    static let lookupRegister: UInt32 = 1

    init(_ configuration: TableConfiguration) throws(TableError) {
        try Self.validate(configuration)
        var builder = Builder(configuration: configuration)
        builder.build()
        chains = builder.chains
        rules = builder.rules
    }

    private static func validate(_ configuration: TableConfiguration) throws(TableError) {
        for pattern in configuration.workloadInterfaces {
            let bytes = Array(pattern.utf8)
            guard (1...15).contains(bytes.count), pattern != "*", !bytes.dropLast().contains(UInt8(ascii: "*")),
                bytes.allSatisfy({ $0 > 32 && $0 < 127 && $0 != UInt8(ascii: "/") })
            else { throw .badConfiguration("workload interface \"\(pattern)\": a name of at most 15 bytes, or a prefix and *") }
        }
        guard configuration.workloadInterfaces.count <= 256, configuration.podPrefixes.count <= 4096, configuration.dnsListen.count <= 64
        else { throw .badConfiguration("more than 256 interfaces, 4096 prefixes or 64 listen addresses") }
        let name = configuration.tableName.utf8
        guard (1...31).contains(name.count), name.allSatisfy({ (97...122).contains($0) || (48...57).contains($0) || $0 == 95 }) else {
            throw .badConfiguration("table name \"\(configuration.tableName)\"")
        }
        guard configuration.interceptDNS else { return }
        if configuration.dnsListen.isEmpty { throw .badConfiguration("interceptDNS without dnsListen") }
        if configuration.dnsInterceptPort == configuration.dnsPort {
            throw .badConfiguration("port \(configuration.dnsPort) for both direct and intercepted queries")
        }
    }

    struct Builder {
        let configuration: TableConfiguration
        var chains: [Chain] = []
        var rules: [Rule] = []

        var mark: MarkLayout { configuration.mark }
        var mask: UInt32 { configuration.mark.mask }

        mutating func chain(_ name: String, _ type: String? = nil, hook: nf_inet_hooks? = nil, priority: Int32 = 0) {
            var made = Chain(name: name)
            if let type, let hook { made.hook = Chain.Hook(type: type, number: hook.rawValue, priority: priority) }
            chains.append(made)
        }

        mutating func rule(_ chain: String, _ parts: [Expression]..., comment: String? = nil) {
            rules.append(Rule(chain: chain, expressions: parts.flatMap { $0 }, comment: comment))
        }

        /// Counts and, in enforce mode, drops.
        func deny(_ counter: TableCounter) -> [Expression] {
            configuration.mode == .enforce ? [.counter(counter), .verdict(.drop)] : [.counter(counter)]
        }

        func loadSource(_ family: IPFamily) -> Expression {
            .loadPayload(
                base: NFT_PAYLOAD_NETWORK_HEADER.rawValue, offset: family == .v4 ? 12 : 8, count: family == .v4 ? 4 : 16,
                into: lookupRegister)
        }

        func loadDestination(_ family: IPFamily) -> Expression {
            .loadPayload(
                base: NFT_PAYLOAD_NETWORK_HEADER.rawValue, offset: family == .v4 ? 16 : 24, count: family == .v4 ? 4 : 16,
                into: lookupRegister)
        }

        func isFamily(_ family: IPFamily) -> [Expression] { family == .v4 ? Expression.isIPv4 : Expression.isIPv6 }

        func source(_ family: IPFamily) -> [Expression] { isFamily(family) + [loadSource(family)] }

        func destination(_ family: IPFamily) -> [Expression] { isFamily(family) + [loadDestination(family)] }

        func isPoliced(_ family: IPFamily, inverted: Bool = false) -> [Expression] {
            [.lookup(set: ElementSet.policed(family).name, register: lookupRegister, isInverted: inverted)]
        }

        /// Loads `ct original saddr`, the endpoint of the flow.
        func originalSource(_ family: IPFamily) -> [Expression] {
            isFamily(family)
                + [
                    .loadConntrack(
                        family == .v4 ? NFT_CT_SRC_IP.rawValue : NFT_CT_SRC_IP6.rawValue, direction: 0, into: lookupRegister)
                ]
        }

        /// (`ct original saddr` . our bits of ct mark) is in `current`.
        func isCurrent(_ family: IPFamily) -> [Expression] {
            let markRegister: UInt32 = family == .v4 ? 9 : 2
            return originalSource(family) + [
                .loadConntrack(NFT_CT_MARK.rawValue, direction: nil, into: markRegister),
                .bitwise(register: markRegister, mask: Expression.native(mask), xor: Expression.native(0)),
                .lookup(set: ElementSet.current(family).name, register: lookupRegister, isInverted: false),
            ]
        }

        func transportPort(source: Bool, _ port: UInt16) -> [Expression] {
            Expression.payload(NFT_PAYLOAD_TRANSPORT_HEADER, source ? 0 : 2, equals: Expression.big(port))
        }

        func icmpv6Type(_ type: UInt8, hopLimit: UInt8) -> [Expression] {
            Expression.isIPv6 + Expression.isProtocol(icmpv6) + Expression.payload(NFT_PAYLOAD_NETWORK_HEADER, 7, equals: [hopLimit])
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

        mutating func build() {
            // Chains that others jump to come first: the kernel resolves names as it reads.
            for name in [
                "neighbours", "queries_limited", "direct4", "direct6", "brought4", "brought6", "workload", "elsewhere", "dns_redirect",
                "ask", "hello", "bare4",
                "bare6", "pending", "checked", "decide",
                "invalid_state", "untracked", "midstream", "judge",
                "reject", "refuse", "revoked", "admitted", "stamp", "leased", "lease", "own_errors", "limited",
                "begun_limited", "begun_together", "begin4", "begin6",
            ] { chain(name) }
            if configuration.countsUnaskedAnswers { for name in ["no_socket", "unasked"] { chain(name) } }
            if hasClasses { for name in ["class_original", "class_reply", "class_questions", "class_cgroup", "class_dns"] { chain(name) } }
            chain("raw_prerouting", "filter", hook: NF_INET_PRE_ROUTING, priority: -300)
            chain("raw_output", "filter", hook: NF_INET_LOCAL_OUT, priority: -300)
            chain("dns_prerouting", "nat", hook: NF_INET_PRE_ROUTING, priority: -110)
            chain("forward", "filter", hook: NF_INET_FORWARD, priority: 20)
            chain("input", "filter", hook: NF_INET_LOCAL_IN, priority: 20)
            chain("output", "filter", hook: NF_INET_LOCAL_OUT, priority: 20)
            if hasClasses { chain("dns_output", "nat", hook: NF_INET_LOCAL_OUT, priority: -110) }

            if let limit = configuration.connectionLimit { limitOpenings(limit) }
            untrackedStreams()
            knownTCP()
            directQueries()
            if queryLimit != nil { dropLimitedQueries() }
            spoofing()
            dnsRedirect()
            hooks()
            stamp()
            if configuration.hasLeases { leases() }
            if hasClasses { classes() }
            judge()
            decide()
            names()
        }

        /// (input interface . source) is in `known`.
        func isKnown(_ family: IPFamily) -> [Expression] {
            [
                .loadMeta(NFT_META_IIFNAME.rawValue, into: 1),
                .loadPayload(
                    base: NFT_PAYLOAD_NETWORK_HEADER.rawValue, offset: family == .v4 ? 12 : 8, count: family == .v4 ? 4 : 16, into: 2),
                .lookup(set: ElementSet.known(family).name, register: lookupRegister, isInverted: false),
            ]
        }

        /// Nothing that "workload" asks below is of TCP, but for the source: bulk comes this way. The protocol is that behind all extension headers; where
        /// these cannot be followed there is none, and the rule ends.
        mutating func knownTCP() {
            for family: IPFamily in [.v4, .v6] {
                rule(
                    "workload", isFamily(family), Expression.isProtocol(tcp), isKnown(family), [.verdict(.accept)],
                    comment: family == .v4 ? "TCP from its own address" : nil)
            }
        }

        /// Audit mode holds nothing back.
        var queryLimit: RateLimit? { configuration.mode == .enforce ? configuration.queryLimit : nil }

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
                        .loadPayload(base: NFT_PAYLOAD_NETWORK_HEADER.rawValue, offset: 8, count: UInt32(mask.count), into: lookupRegister),
                        .bitwise(register: lookupRegister, mask: mask, xor: Array(repeating: 0, count: mask.count)),
                        .compare(NFT_CMP_EQ.rawValue, register: lookupRegister, prefix), .verdict(.jump("neighbours")),
                    ], comment: "from a link-local source, or none (duplicate address detection)")
            }
            for type: UInt8 in [133, 135, 136] {  // router solicitation, neighbour solicitation and advertisement, DAD included
                rule("neighbours", icmpv6Type(type, hopLimit: 255), [.verdict(.accept)], comment: type == 133 ? "neighbour discovery" : nil)
            }
            for type: UInt8 in [131, 132, 143] {  // reports and done of MLD version 1, reports of version 2
                rule("neighbours", icmpv6Type(type, hopLimit: 1), [.verdict(.accept)], comment: type == 131 ? "multicast listener" : nil)
            }
            rule(
                "workload", Expression.isIPv4, Expression.payload(NFT_PAYLOAD_NETWORK_HEADER, 16, equals: [255, 255, 255, 255]),
                Expression.isProtocol(udp), transportPort(source: true, 68), transportPort(source: false, 67), [.verdict(.accept)],
                comment: "DHCP")
            rule(
                "workload", Expression.isIPv6,
                Expression.payload(NFT_PAYLOAD_NETWORK_HEADER, 24, equals: [0xff, 2] + Array(repeating: 0, count: 11) + [1, 0, 2]),
                Expression.isProtocol(udp), transportPort(source: true, 546), transportPort(source: false, 547), [.verdict(.accept)],
                comment: "DHCPv6")
            // A tunnel could carry packets with any source past everything that is checked here.
            rule("workload", Expression.isProtocol(ipInIP), deny(.encapsulation), comment: "IP in IP")
            rule(
                "workload", Expression.isProtocol(udp), transportPort(source: false, configuration.vxlanPort), deny(.encapsulation),
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

        /// The address in the lookup register lies in the prefix.
        func isIn(_ prefix: IPPrefix) -> [Expression] {
            let bits = prefix.address.family.addressBits
            let bytes = (0..<bits / 8).map { index in
                UInt8(truncatingIfNeeded: 0xff00 >> min(8, max(0, Int(prefix.length) - 8 * index)))
            }
            return [
                .bitwise(register: lookupRegister, mask: bytes, xor: Array(repeating: 0, count: bytes.count)),
                .compare(NFT_CMP_EQ.rawValue, register: lookupRegister, prefix.address.networkBytes),
            ]
        }

        mutating func dnsRedirect() {
            guard configuration.interceptDNS else { return }
            for pattern in configuration.workloadInterfaces {
                rule("dns_prerouting", Expression.isInputInterface(pattern), [.verdict(.jump("dns_redirect"))])
            }
            if queryLimit != nil { limitInterceptedQueries() }
            for family: IPFamily in [.v4, .v6] {
                guard let listen = configuration.dnsListen.first(where: { $0.family == family }) else { continue }
                for (transport, port) in [(udp, configuration.dnsInterceptPort), (tcp, configuration.dnsPort)] {
                    rule(
                        "dns_redirect", source(family), isPoliced(family), Expression.isProtocol(transport),
                        transportPort(source: false, 53),
                        [
                            .immediate(register: 1, listen.networkBytes), .immediate(register: 2, Expression.big(port)),
                            .destinationNAT(family: family == .v4 ? 2 : 10, addressRegister: 1, portRegister: 2),
                        ])
                }
            }
        }

        mutating func hooks() {
            // First, because it is asked for every query; what is accepted here is never queued, so no verdict comes back for it.
            for address in configuration.dnsListen {
                for transport in [udp, tcp] {
                    rule("input", isQuery(to: address, transport), [.verdict(.accept)], comment: "the DNS interceptor")
                    rule("output", isAnswer(from: address, transport), [.verdict(.accept)], comment: "the DNS interceptor")
                }
            }
            if configuration.interceptDNS {
                for family: IPFamily in [.v4, .v6] {
                    guard let listen = configuration.dnsListen.first(where: { $0.family == family }) else { continue }
                    for (chain, isReply) in [("input", false), ("output", true)] {
                        rule(
                            chain, isReply ? isFrom(listen) : isTo(listen), Expression.isProtocol(udp),
                            transportPort(source: isReply, configuration.dnsInterceptPort),
                            [
                                .loadConntrack(NFT_CT_PROTO_DST.rawValue, direction: 0, into: 1),
                                .compare(NFT_CMP_EQ.rawValue, register: 1, Expression.big(53)), .verdict(.accept),
                            ], comment: "intercepted")
                    }
                }
            }
            if hasClasses { classPorts() }
            for name in ["forward", "input", "output"] {
                rule(name, Expression.packetMark(mask, NFT_CMP_NEQ, 0), [.verdict(.goto("stamp"))], comment: "a verdict came back")
            }
            if configuration.countsUnaskedAnswers { unaskedAnswers() }
            if configuration.isNodeClosed {
                for pattern in configuration.workloadInterfaces {
                    rule(
                        "input", Expression.isInputInterface(pattern), Expression.direction(0), deny(.endpointToHost),
                        comment: "the node itself is closed to workloads")
                }
            }
            // What a host endpoint sends to its own node is nobody's egress.
            rule("input", Expression.isInputInterface("lo"), [.verdict(.accept)])
            rule("output", Expression.isToLoopback, [.verdict(.accept)])
            // What a refusal sends passes output.
            rule("output", [.verdict(.jump("own_errors"))])
            rule(
                "own_errors", Expression.isProtocol(tcp),
                Expression.masked(.loadPayload(base: NFT_PAYLOAD_TRANSPORT_HEADER.rawValue, offset: 13, count: 1, into: 1), byte: 0x04),
                [.verdict(.accept)], comment: "resets")
            for type: UInt8 in [3, 11, 12] {
                rule(
                    "own_errors", Expression.isIPv4, Expression.isProtocol(icmp),
                    Expression.payload(NFT_PAYLOAD_TRANSPORT_HEADER, 0, equals: [type]), [.verdict(.accept)],
                    comment: type == 3 ? "ICMP errors" : nil)
            }
            for type: UInt8 in [1, 2, 3, 4] {
                rule(
                    "own_errors", Expression.isIPv6, Expression.isProtocol(icmpv6),
                    Expression.payload(NFT_PAYLOAD_TRANSPORT_HEADER, 0, equals: [type]), [.verdict(.accept)],
                    comment: type == 1 ? "ICMPv6 errors" : nil)
            }
            if hasClasses { cgroupsOfOutput() }
            for name in ["forward", "input", "output"] { rule(name, [.verdict(.goto("judge"))]) }
        }

        mutating func stamp() {
            rule("stamp", Expression.packetMark(mask, NFT_CMP_EQ, mark.deposit(mark.reject)), [.verdict(.goto("refuse"))])
            rule(
                "stamp", Expression.packetMark(mask, NFT_CMP_EQ, mark.deposit(mark.denied)),
                Expression.setPacketMark(clear: mask, set: 0), Expression.setFlowMark(clear: mask, set: mark.deposit(mark.denied)),
                [.verdict(.goto("revoked"))])
            // A question that comes back without an answer is asked again: so a new owner of the queue re-queues what the dead one left.
            for code in [mark.redecideOriginal, mark.redecideReply, mark.newReply, mark.hello] {
                rule(
                    "stamp", Expression.packetMark(mask, NFT_CMP_EQ, mark.deposit(code)), Expression.setPacketMark(clear: mask, set: 0),
                    [.verdict(.goto("judge"))])
            }
            if hasClasses { classQuestions() }
            if configuration.hasLeases {
                rule(
                    "stamp", Expression.state(untracked), asksForLease, Expression.setPacketMark(clear: .max, set: 0),
                    [.verdict(.accept)])
            }
            rule(
                "stamp", Expression.state(untracked), Expression.setPacketMark(clear: mask, set: 0), [.verdict(.accept)],
                comment: "no flow to remember it by")
            // One constant rule per bit keeps foreign bits; a write of register OR register cannot be listed by older nft programs.
            rule("stamp", Expression.setFlowMark(clear: mask, set: 0))
            for bit in (0..<32).map({ UInt32(1) << $0 }) where mask & bit != 0 {
                rule("stamp", Expression.packetMark(bit, NFT_CMP_EQ, bit), Expression.setFlowMark(clear: bit, set: bit))
            }
            rule("stamp", Expression.setPacketMark(clear: mask, set: 0))
            for family: IPFamily in [.v4, .v6] {
                rule(
                    "stamp", isCurrent(family), [.verdict(.goto("admitted"))],
                    comment: family == .v4 ? "the verdict is still valid" : nil)
            }
            if hasClasses { for family: IPFamily in [.v4, .v6] { rule("stamp", isCurrentOfClass(family), [.verdict(.accept)]) } }
            // The verdict is of another policy: what else it asked for, too.
            if configuration.hasLeases { rule("stamp", asksForLease, Expression.setPacketMark(clear: .max, set: 0)) }
            rule("stamp", asksForName, Expression.setPacketMark(clear: .max, set: 0))
            rule("stamp", [.verdict(.goto("judge"))])

            rule(
                "admitted", asksForName, Expression.setPacketMark(clear: .max, set: 0),
                Expression.setFlowMark(clear: mask, set: mark.deposit(mark.pending)), [.verdict(.accept)],
                comment: "its hello is looked at")
            if configuration.hasLeases { rememberLeases() }
            rule("admitted", [.verdict(.accept)])

            rule("refuse", Expression.setPacketMark(clear: mask, set: 0))
            rule("refuse", [.counter(.rejected)])
            rule("refuse", [.verdict(.goto("reject"))])
            rule("reject", Expression.isProtocol(tcp), [.reject(type: UInt32(NFT_REJECT_TCP_RST.rawValue), code: 0)])
            rule(
                "reject",
                [.reject(type: NFT_REJECT_ICMPX_UNREACH.rawValue, code: UInt8(NFT_REJECT_ICMPX_ADMIN_PROHIBITED.rawValue))])
            for number in [icmp, icmpv6] {
                rule("revoked", Expression.state(related), Expression.isProtocol(number), deny(.relatedDenied))
            }
            rule("revoked", [.counter(.revoked), .verdict(configuration.rejectsRevoked ? .goto("reject") : .drop)])
        }

        mutating func judge() {
            // A flow expected by a conntrack module (FTP, SIP) inherits the mark of its master: it is new all the same. Only until its first reply.
            rule(
                "judge",
                Expression.masked(.loadConntrack(NFT_CT_STATUS.rawValue, direction: nil, into: 1), expected, NFT_CMP_NEQ, 0),
                Expression.state(related), Expression.isNotProtocol(icmp), Expression.isNotProtocol(icmpv6),
                Expression.setFlowMark(clear: mask, set: 0), comment: "expected flows are new")
            for family: IPFamily in [.v4, .v6] {
                rule("judge", isCurrent(family), [.verdict(.accept)], comment: family == .v4 ? "decided under today's policy" : nil)
            }
            if hasClasses { for family: IPFamily in [.v4, .v6] { rule("judge", isCurrentOfClass(family), [.verdict(.accept)]) } }
            // Audit mode refuses nothing: there such a flow is decided again.
            if configuration.mode == .enforce {
                for family: IPFamily in [.v4, .v6] {
                    rule(
                        "judge", Expression.flowMark(mask, NFT_CMP_EQ, mark.deposit(mark.denied)), originalSource(family),
                        isPoliced(family),
                        [.verdict(.goto("revoked"))], comment: family == .v4 ? "refused for good" : nil)
                }
            }
            rule("judge", Expression.state(invalid), [.verdict(.goto("invalid_state"))])
            rule("judge", Expression.state(untracked), [.verdict(.goto("untracked"))])
            rule(
                "judge", Expression.state(new), Expression.isProtocol(tcp),
                Expression.masked(
                    .loadPayload(base: NFT_PAYLOAD_TRANSPORT_HEADER.rawValue, offset: 13, count: 1, into: 1), byte: 0x02, isSet: false),
                [.verdict(.jump("midstream"))])
            if configuration.capsConnections {
                for family: IPFamily in [.v4, .v6] {
                    rule(
                        "judge", isFamily(family), Expression.state(new), Expression.flowMark(mask, NFT_CMP_EQ, 0), [loadSource(family)],
                        [.lookup(set: ElementSet.capped(family).name, register: lookupRegister, isInverted: false)],
                        deny(.connectionCap), comment: family == .v4 ? "as many flows as it may have" : nil)
                }
            }
            if configuration.connectionLimit != nil { limitConnections() }
            if hasClasses { classJumps() }
            if configuration.hasLeases {
                let isUnmarked = Expression.packetMark(.max, NFT_CMP_EQ, 0) + Expression.flowMark(.max, NFT_CMP_EQ, 0)
                // Only packets without options and extension headers: all others are parsed for every flow.
                rule(
                    "judge", Expression.state(new), isUnmarked, Expression.isIPv4,
                    Expression.payload(NFT_PAYLOAD_NETWORK_HEADER, 0, equals: [0x45]), [.verdict(.jump("lease"))])
                for number in [tcp, udp, sctp] {
                    rule(
                        "judge", Expression.state(new), isUnmarked, Expression.isIPv6,
                        Expression.payload(NFT_PAYLOAD_NETWORK_HEADER, 6, equals: [number]), [.verdict(.jump("lease"))])
                }
            }
            for family: IPFamily in [.v4, .v6] {
                rule("judge", originalSource(family), isPoliced(family), [.verdict(.goto("decide"))])
            }

            for family: IPFamily in [.v4, .v6] {
                rule("invalid_state", source(family), isPoliced(family), deny(.invalidState))
                rule("invalid_state", destination(family), isPoliced(family), deny(.invalidState))
                rule("midstream", source(family), isPoliced(family), [.verdict(.return)])
                rule("midstream", destination(family), isPoliced(family), deny(.midstreamIngress))
            }
            for type: UInt8 in [133, 134, 135, 136, 137] {
                rule("untracked", icmpv6Type(type, hopLimit: 255), [.verdict(.accept)], comment: type == 133 ? "neighbour discovery" : nil)
            }
            for type: UInt8 in [130, 131, 132, 143] {
                rule("untracked", icmpv6Type(type, hopLimit: 1), [.verdict(.accept)], comment: type == 130 ? "multicast listener" : nil)
            }
            if hasClasses { untrackedOfClasses() }
            for family: IPFamily in [.v4, .v6] {
                rule(
                    "untracked", source(family), isPoliced(family), Expression.setPacketMark(clear: mask, set: mark.deposit(mark.hello)),
                    [.verdict(.goto("ask"))], comment: family == .v4 ? "nothing could remember that a name is pending" : nil)
            }
        }

        mutating func decide() {
            let states = [(mark.pending, "pending"), (mark.checkedQUIC, "checked")]
            for (code, _) in states {
                for number in [icmp, icmpv6] {
                    rule(
                        "decide", Expression.flowMark(mask, NFT_CMP_EQ, mark.deposit(code)), Expression.direction(1),
                        Expression.state(related), Expression.isProtocol(number), [.verdict(.accept)],
                        comment: "ICMP errors for an endpoint whose name is checked")
                }
            }
            for number in [icmp, icmpv6] {
                rule("decide", Expression.state(related), Expression.isProtocol(number), deny(.relatedDenied), comment: "ICMP errors")
            }
            for (code, chain) in states {
                rule("decide", Expression.flowMark(mask, NFT_CMP_EQ, mark.deposit(code)), [.verdict(.goto(chain))])
            }
            rule(
                "decide", Expression.direction(0), Expression.flowMark(mask, NFT_CMP_NEQ, 0),
                Expression.setPacketMark(clear: mask, set: mark.deposit(mark.redecideOriginal)))
            rule(
                "decide", Expression.direction(1), Expression.flowMark(mask, NFT_CMP_NEQ, 0),
                Expression.setPacketMark(clear: mask, set: mark.deposit(mark.redecideReply)))
            rule(
                "decide", Expression.direction(1), Expression.flowMark(mask, NFT_CMP_EQ, 0),
                Expression.setPacketMark(clear: mask, set: mark.deposit(mark.newReply)))
            rule("decide", [.verdict(.goto("ask"))])
            if let limit = configuration.questionLimit { limitQuestions(limit) }
            rule("ask", [queueExpression(configuration.queues)])
        }

        func queueExpression(_ queues: ClosedRange<UInt16>) -> Expression {
            let first = queues.lowerBound
            let total = UInt16(clamping: queues.count)
            let isBypassed = configuration.mode == .audit
            switch configuration.queueBackend {
            case .native:
                return .queue(first: first, total: total, isBypassed: isBypassed)
            case .compat:
                // struct xt_NFQ_info_v3 (queuenum, queues_total, flags; linux/netfilter/xt_NFQUEUE.h), padded to 8 bytes (XT_ALIGN).
                let words = [first, total, isBypassed ? 1 : 0, 0].map(\.littleEndian)
                return .target(
                    name: "NFQUEUE", revision: 3,
                    info: words.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] })
            }
        }
    }
}

extension Expression {
    /// Whether any bit of the mask is set (or none) in one loaded byte.
    static func masked(_ load: Expression, byte mask: UInt8, isSet: Bool = true) -> [Expression] {
        [
            load, .bitwise(register: 1, mask: [mask], xor: [0]),
            .compare(isSet ? NFT_CMP_NEQ.rawValue : NFT_CMP_EQ.rawValue, register: 1, [0]),
        ]
    }
}
