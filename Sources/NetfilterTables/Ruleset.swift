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
/// forward, input, output 21 (filter)       "snoop_forward" and so on: DNS that is read on its way (``Builder/snooping()``)
///
/// "judge":  SYN of a flow that is there? clear ct mark | current? accept | denied? -> "revoked" | invalid, untracked, mid-stream | new: too many, or too fast ("begin4")? drop; -> "lease"
///           | original source not policed? accept | -> "decide"
/// "lease":  destination -> mark of an earlier verdict, still current? -> ct mark, accept
/// "decide": pending? -> "pending" | checkedQUIC? -> "checked" | the question goes into the packet mark -> "ask"
/// "ask":    more questions of this source than it may have? -> "limited" | NFQUEUE
/// "pending": TCP without payload that neither begins nor ends the connection nor is urgent? accept | -> "hello"
/// "checked": from the responder, or one datagram with a short header? accept | as "hello", with a question of its own
/// "hello":  more packets of this endpoint than it may have? -> "hello_limited" | the question goes into the packet mark, the whole packet to the NFQUEUE of its own
/// "unasked": UDP that came in, from an upstream or port 53? -> "no_socket": no socket waits for it? count
/// "stamp":  reject? -> "refuse" | denied? -> ct mark, "revoked" | untracked: still current? accept, else -> "judge" again | packet mark -> ct mark | still current? -> "admitted" | not policed any more?
///           clear ct mark | the flow's first packet? clear ct mark, -> "decide" | -> "judge" again
/// "admitted": a lease was asked for? remember it | only observed? -> "observed" | accept
/// "observed": ct mark "pending" behind this packet, accept
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
    static let established: UInt32 = 1 << 1
    static let related: UInt32 = 1 << 2
    static let new: UInt32 = 1 << 3
    static let untracked: UInt32 = 1 << 6
    /// `IPS_EXPECTED`.
    static let expected: UInt32 = 1 << 0
    /// `IPS_CONFIRMED`: a packet of it has passed all hooks.
    static let confirmed: UInt32 = 1 << 3
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

        mutating func build() {
            // Chains that others jump to come first: the kernel resolves names as it reads.
            for name in [
                "neighbours", "queries_limited", "direct4", "direct6", "unselected4", "unselected6", "brought4", "brought6", "workload",
                "elsewhere", "dns_redirect",
                "ask", "hello_limited", "hello_rate", "hello", "bare4",
                "bare6", "pending", "checked", "decide",
                "invalid_state", "untracked", "midstream", "judge",
                "reject", "refuse", "revoked", "observed", "admitted", "stamp_untracked", "stamp", "leased_observed", "leased", "lease",
                "own_errors",
                "limited",
                "begun_limited", "begun_together", "begin4", "begin6",
            ] { chain(name) }
            if configuration.countsUnaskedAnswers { for name in ["no_socket", "unasked"] { chain(name) } }
            if configuration.snooping != .none { for name in Self.snoopChains { chain(name) } }
            if hasClasses { for name in ["class_original", "class_reply", "class_questions", "class_cgroup", "class_dns"] { chain(name) } }
            chain("raw_prerouting", "filter", hook: NF_INET_PRE_ROUTING, priority: -300)
            chain("raw_output", "filter", hook: NF_INET_LOCAL_OUT, priority: -300)
            chain("dns_prerouting", "nat", hook: NF_INET_PRE_ROUTING, priority: -110)
            chain("forward", "filter", hook: NF_INET_FORWARD, priority: 20)
            chain("input", "filter", hook: NF_INET_LOCAL_IN, priority: 20)
            chain("output", "filter", hook: NF_INET_LOCAL_OUT, priority: 20)
            if hasClasses { chain("dns_output", "nat", hook: NF_INET_LOCAL_OUT, priority: -110) }
            if configuration.snooping != .none {
                if configuration.snooping == .all { chain("snoop_forward", "filter", hook: NF_INET_FORWARD, priority: 21) }
                chain("snoop_input", "filter", hook: NF_INET_LOCAL_IN, priority: 21)
                chain("snoop_output", "filter", hook: NF_INET_LOCAL_OUT, priority: 21)
            }

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
            snooping()
        }
    }
}
