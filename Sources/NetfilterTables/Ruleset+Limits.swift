import CNetfilter
import NetworkTypes

/// What a source may have in a second: questions to the queue, packets with hellos, intercepted queries, new flows.
///
/// Each source has a bucket of its own in a set that the rules fill (`ElementSet.asked`, `heard`, `queried`, `begun`); those who find no room there have one
/// together. Whoever is held back is noted in `ElementSet.limited`.
extension Ruleset.Builder {
    /// First packets, and those of no flow, beyond the rate of their source. What is asked about again because policy changed is held back
    /// by nobody's rate, its flow being one that was let in: it bears a question in the packet mark.
    mutating func limitQuestions(_ limit: RateLimit) {
        let kinds = [Expression.packetMark(mask, NFT_CMP_EQ, 0) + Expression.state(Ruleset.new), Expression.state(Ruleset.untracked)]
        for (family, kind) in [IPFamily.v4, .v6].flatMap({ family in kinds.map { (family, $0) } }) {
            let isFirst = isFamily(family) + kind + [loadSource(family)]
            let set = ElementSet.asked(family).name
            rule("ask", isFirst, [.exceedsLimit(limit, set: set, key: Ruleset.lookupRegister), .verdict(.goto("limited"))])
            // A full set ends the rule above. All who find no room there have one bucket together.
            rule(
                "ask", isFirst,
                [.lookup(set: set, register: Ruleset.lookupRegister, isInverted: true), .exceeds(limit), .verdict(.goto("limited"))],
                comment: "no room for a bucket of its own")
        }
        for family: IPFamily in [.v4, .v6] {
            rule("limited", source(family), [.addMember(set: ElementSet.limited(family).name, key: Ruleset.lookupRegister)])
        }
        // Audit mode refuses nothing; what it cannot look at passes, as it does when the queue is full.
        rule("limited", [.counter(.questionRate), .verdict(configuration.mode == .enforce ? .drop : .accept)])
    }

    /// Packets for the queues of hellos beyond the rate of their flow's endpoint, whichever end has sent them.
    mutating func limitHellos(_ limit: RateLimit) {
        for family: IPFamily in [.v4, .v6] {
            let set = ElementSet.heard(family).name
            rule(
                "hello_rate", originalSource(family),
                [.exceedsLimit(limit, set: set, key: Ruleset.lookupRegister), .verdict(.goto("hello_limited"))])
            rule(
                "hello_rate", originalSource(family),
                [.lookup(set: set, register: Ruleset.lookupRegister, isInverted: true), .exceeds(limit), .verdict(.goto("hello_limited"))],
                comment: "no room for a bucket of its own")
            rule("hello_limited", originalSource(family), [.addMember(set: ElementSet.limited(family).name, key: Ruleset.lookupRegister)])
        }
        // As in "limited".
        rule("hello_limited", [.counter(.helloRate), .verdict(configuration.mode == .enforce ? .drop : .accept)])
    }

    /// Audit mode holds nothing back.
    var queryLimit: RateLimit? { configuration.mode == .enforce ? configuration.queryLimit : nil }

    /// A chain that only queries come to: those beyond the rate of their source are dropped, with the others it does `passes`. Most end at its first rule.
    ///
    /// An element bears the limit of the rule that made it, so that all rules of a set must ask in the same sense. Only what is not in the set is looked
    /// up: a look at an element takes a token out of its bucket.
    mutating func limitQueries(_ family: IPFamily, in chain: String, _ passes: [Expression]) {
        guard let limit = queryLimit else { return rule(chain, passes) }
        let set = ElementSet.queried(family).name
        rule(chain, [loadSource(family), .staysWithin(limit, set: set, key: Ruleset.lookupRegister)], passes)
        // A full set ends that rule, too.
        let isAbsent: [Expression] = [loadSource(family), .lookup(set: set, register: Ruleset.lookupRegister, isInverted: true)]
        rule(chain, isAbsent, [.exceeds(limit), .verdict(.goto("queries_limited"))], comment: "no room for a bucket of its own")
        rule(chain, isAbsent, passes)
        rule(chain, [.verdict(.goto("queries_limited"))])
    }

    /// Of intercepted queries each is a flow in connection tracking, which verdicts and the cap of flows do not see. Only first packets come here.
    mutating func limitInterceptedQueries() {
        for family: IPFamily in [.v4, .v6] {
            let chain = family == .v4 ? "brought4" : "brought6"
            limitQueries(family, in: chain, [.verdict(.return)])
            for transport in [Ruleset.udp, Ruleset.tcp] {
                rule(
                    "dns_redirect", source(family), isPoliced(family), Expression.isProtocol(transport),
                    transportPort(source: false, 53), [.verdict(.jump(chain))])
            }
        }
    }

    /// What becomes of queries beyond the rate.
    mutating func dropLimitedQueries() {
        for family: IPFamily in [.v4, .v6] {
            rule("queries_limited", source(family), [.addMember(set: ElementSet.limited(family).name, key: Ruleset.lookupRegister)])
        }
        rule("queries_limited", [.counter(.queryRate), .verdict(.drop)])
    }

    /// SYNs of policed workloads beyond the rate of their source, ahead of connection tracking, which for each would make an entry and throw it away.
    mutating func limitOpenings(_ limit: RateLimit) {
        for family: IPFamily in [.v4, .v6] {
            let (chain, set) = (family == .v4 ? "begin4" : "begin6", ElementSet.begun(family).name)
            rule(
                "workload", isFamily(family), Expression.isProtocol(Ruleset.tcp), opensConnection(NFT_CMP_EQ), isKnown(family),
                [loadSource(family)], isPoliced(family), [.verdict(.jump(chain))],
                comment: family == .v4 ? "new connections" : nil)
            rule(chain, [loadSource(family), .staysWithin(limit, set: set, key: Ruleset.lookupRegister), .verdict(.return)])
            // A full set ends the first rule, too. Only what is not in the set is looked up: a look at an element takes a token out of its bucket.
            rule(
                chain, [loadSource(family), .lookup(set: set, register: Ruleset.lookupRegister, isInverted: true)],
                [.verdict(.goto("begun_together"))], comment: "no room for a bucket of its own")
            rule(chain, [.verdict(.goto("begun_limited"))])
            rule("begun_limited", source(family), [.addMember(set: ElementSet.limited(family).name, key: Ruleset.lookupRegister)])
        }
        rule("begun_limited", deny(.connectionRate))
        rule("begun_together", [.exceeds(limit), .verdict(.goto("begun_limited"))], comment: "one bucket for all of them")
    }

    /// The same for all other new flows, ahead of leases: those that end at once never come near the cap of flows.
    mutating func limitConnections() {
        let kinds = [Expression.isNotProtocol(Ruleset.tcp), Expression.isProtocol(Ruleset.tcp) + opensConnection(NFT_CMP_NEQ)]
        for (family, kind) in [IPFamily.v4, .v6].flatMap({ family in kinds.map { (family, $0) } }) {
            rule(
                "judge", isFamily(family), Expression.state(Ruleset.new), kind, Expression.flowMark(mask, NFT_CMP_EQ, 0),
                [loadSource(family)],
                isPoliced(family), Expression.cameIn, [.verdict(.jump(family == .v4 ? "begin4" : "begin6"))],
                comment: family == .v4 ? "new flows of workloads" : nil)
        }
    }

    /// Whether SYN is set and ACK is not; or the contrary.
    func opensConnection(_ comparison: nft_cmp_ops) -> [Expression] {
        [
            .loadPayload(base: NFT_PAYLOAD_TRANSPORT_HEADER.rawValue, offset: 13, count: 1, into: 1),
            .bitwise(register: 1, mask: [0x12], xor: [0]), .compare(comparison.rawValue, register: 1, [0x02]),
        ]
    }
}
