import DomainNames
import NetworkTypes
import PolicyModel

extension CompiledPolicy {
    /// The decision of `evaluate` and the way to it: tiers, the policies that select the endpoint, every rule that was tried and why it did
    /// not match, implicit rules, profiles, and what the staged policies would decide. For people: it goes through the rules one by one,
    /// without the index, and may allocate.
    public func explain<Bindings: BindingLookup & ~Copyable>(
        endpoint position: Int, _ flow: FlowTuple, bindings: borrowing Bindings
    ) -> (decision: PolicyDecision, trace: [TraceLine]) {
        let program = hot.program(position)
        var trace: [TraceLine] = []
        let decision = unsafe walk(
            program.enforced, hot.exclusives, program.id, endpoints[position], flow, bindings, &trace)
        if let view = unsafe program.staged {
            var stagedTrace: [TraceLine] = []
            let staged = unsafe walk(view, hot.stagedExclusives, program.id, endpoints[position], flow, bindings, &stagedTrace)
            let rule = description(ofRule: staged.rule)
            trace.append(
                TraceLine(
                    .staged, rule: rule, subject: "staged policies",
                    outcome: "\(staged.isAllowed ? "allow" : "deny"), \(staged.reason.label)" + (rule.map { " by \($0)" } ?? "")))
        }
        return (decision, trace)
    }

    /// The whole trace with the staged policies in force; nil if none bears on the endpoint.
    public func explainStaged<Bindings: BindingLookup & ~Copyable>(
        endpoint position: Int, _ flow: FlowTuple, bindings: borrowing Bindings
    ) -> (decision: PolicyDecision, trace: [TraceLine])? {
        let program = hot.program(position)
        guard let view = unsafe program.staged else { return nil }
        var trace: [TraceLine] = []
        let decision = unsafe walk(view, hot.stagedExclusives, program.id, endpoints[position], flow, bindings, &trace)
        return (decision, trace)
    }

    private func walk<Bindings: BindingLookup & ~Copyable>(
        _ view: UnsafePointer<ProgramView>, _ exclusives: ExclusivePolicies.View, _ id: EndpointID, _ endpoint: CompiledEndpoint,
        _ flow: FlowTuple, _ bindings: borrowing Bindings, _ trace: inout [TraceLine]
    ) -> PolicyDecision {
        if let reason = builtInReason(unsafe view.pointee.flags, flow) {
            let (subject, outcome) = Self.builtInText(reason)
            trace.append(TraceLine(.builtIn, subject: subject, outcome: "match: \(outcome)"))
            return PolicyDecision(reason: reason, rule: PolicyDecision.noRule, pattern: anyName)
        }
        if endpoint.isHost { trace.append(TraceLine(.builtIn, subject: "failsafe ports", outcome: "no match")) }
        var search = unsafe FlowSearch(flow: flow, endpoint: id, view: view)
        hot.collectMembers(&search)
        if let denial = exclusiveSetDenial(search, bindings) {
            trace.append(exclusiveLine(denial))
            return denial
        }
        let tierSlots = parts.sources.order.filter { parts.sources.policies[Int($0)] == nil }
        var place = 0
        var rankFrom: UInt32 = 0
        for slot in tierSlots {
            let tier = unsafe place < Int(view.pointee.tierCount) && view.pointee.tier(place).slot == slot ? view.pointee.tier(place) : nil
            if tier != nil { place += 1 }
            let ending: TierEnding
            if let tier {
                ending = unsafe walkTier(tier, view, exclusives, search, &rankFrom, bindings, &trace)
            } else {
                if let name = tierName(slot) {
                    trace.append(TraceLine(.tier, subject: "tier \(name)", outcome: "no policy of it selects the endpoint"))
                }
                let denial = exclusiveDenial(exclusives, search, from: rankFrom, before: hot.rank(slot), bindings)
                ending = denial.map { .decided($0) } ?? .next
                if let denial { trace.append(exclusiveLine(denial)) }
            }
            rankFrom = hot.rank(slot) + 1
            if case .decided(let decision) = ending { return decision }
        }
        return unsafe walkProfiles(view, endpoint, search, bindings, &trace)
    }

    private static func builtInText(_ reason: VerdictReason) -> (subject: String, outcome: String) {
        switch reason {
        case .failsafe: ("failsafe ports", "open on host endpoints whatever policy says")
        case .dnsOverTLS: ("builtin:dot", "DNS over TLS is closed to policed workloads (dns.builtInRules.dot)")
        case .dnsOverQUIC: ("builtin:doq", "DNS over QUIC is closed to policed workloads (dns.builtInRules.doq)")
        case .dnsOverHTTPS: ("builtin:doh", "this address serves DNS over HTTPS (dns.builtInRules.doh, dns.dohAddresses)")
        case .foreignDNS: ("builtin:foreign-dns", "DNS of policed workloads goes to the node's resolver (dns.builtInRules.foreignDNS)")
        default: ("encapsulation", "closed to workloads")
        }
    }

    private enum TierEnding {
        case decided(PolicyDecision)
        case next
    }

    private func walkTier<Bindings: BindingLookup & ~Copyable>(
        _ tier: ProgramView.Tier, _ view: UnsafePointer<ProgramView>, _ exclusives: ExclusivePolicies.View, _ search: FlowSearch,
        _ rankFrom: inout UInt32, _ bindings: borrowing Bindings, _ trace: inout [TraceLine]
    ) -> TierEnding {
        let defaultRule = description(ofRule: tier.number)
        let name = defaultRule?.tier ?? ""
        trace.append(
            TraceLine(
                .tier, subject: "tier \(name)",
                outcome: tier.counts ? "counts, default \(tier.denies ? "Deny" : "Pass")" : "its default action does not count"))
        let blocks = unsafe (0..<Int(view.pointee.rest.blockCount)).filter {
            let rank = unsafe hot.rank(view.pointee.rest.blockSlots[$0])
            return rank < hot.rank(tier.slot) && rank >= rankFrom
        }
        for (number, block) in blocks.enumerated() {
            let slot = unsafe view.pointee.rest.blockSlots[block]
            if let denial = exclusiveDenial(exclusives, search, from: rankFrom, before: hot.rank(slot), bindings) {
                trace.append(exclusiveLine(denial))
                return .decided(denial)
            }
            rankFrom = hot.rank(slot)
            guard let source = parts.sources.policies[Int(slot)] else { continue }
            trace.append(
                TraceLine(
                    .policy, subject: "policy \(source.policy.identity)",
                    outcome: "selects the endpoint, \(number + 1) of \(blocks.count) in its tier"
                        + (source.policy.order.map { ", order \(Self.text($0))" } ?? "")))
            let first = unsafe Int(view.pointee.rest.blockStarts[block])
            let end =
                unsafe block + 1 < Int(view.pointee.rest.blockCount)
                ? Int(view.pointee.rest.blockStarts[block + 1]) : view.pointee.profileStart
            var walked = unsafe walkRules(first..<end, of: source.policy.egress.count, view, search, bindings)
            for place in walked.dropped where walked.lines[place] == nil {
                let rule = source.policy.egress[place]
                walked.lines[place] = TraceLine(
                    .rule,
                    rule: RuleDescription(
                        tier: source.policy.tier, policy: source.policy.identity, rule: place, action: rule.action.rawValue,
                        location: rule.location),
                    outcome: "no match: its source does not select the endpoint, or it can never match")
            }
            trace += walked.lines.keys.sorted().compactMap { walked.lines[$0] }
            guard let found = walked.found else { continue }
            let pointer = unsafe view.pointee.rule(found.position)
            switch pointer.action {
            case .allow:
                return .decided(
                    PolicyDecision(
                        reason: .policyAllow, rule: pointer.rule.number, pattern: found.pattern,
                        nameCheck: nameCheck(pointer, by: found.pattern, search.flow)))
            case .deny: return .decided(PolicyDecision(reason: .policyDeny, rule: pointer.rule.number, pattern: found.pattern))
            case .pass, .log: return .next
            }
        }
        if let denial = exclusiveDenial(exclusives, search, from: rankFrom, before: hot.rank(tier.slot), bindings) {
            trace.append(exclusiveLine(denial))
            return .decided(denial)
        }
        guard tier.counts else { return .next }
        guard tier.denies else {
            trace.append(TraceLine(.tierDefault, rule: defaultRule, outcome: "no rule of the tier matched, on to the next tier"))
            return .next
        }
        trace.append(TraceLine(.tierDefault, rule: defaultRule, outcome: "no rule of the tier matched"))
        return .decided(PolicyDecision(reason: linearDenyReason(search, bindings), rule: tier.number, pattern: anyName))
    }

    private func walkProfiles<Bindings: BindingLookup & ~Copyable>(
        _ view: UnsafePointer<ProgramView>, _ endpoint: CompiledEndpoint, _ search: FlowSearch, _ bindings: borrowing Bindings,
        _ trace: inout [TraceLine]
    ) -> PolicyDecision {
        let flags = unsafe view.pointee.flags
        let end = endReason(flags)
        guard flags.contains(.hasProfiles) else {
            let outcome =
                endpoint.isHost
                ? "a host endpoint without profiles is denied"
                : end == .noPolicy ? "none is named: allowed as configured" : "none is named: denied as configured"
            trace.append(TraceLine(.profile, subject: "profiles", outcome: outcome))
            return PolicyDecision(reason: end, rule: PolicyDecision.noRule, pattern: anyName)
        }
        trace.append(TraceLine(.profile, subject: "profiles", outcome: endpoint.profiles.joined(separator: ", ")))
        let rules = unsafe view.pointee.profileStart..<Int(view.pointee.ruleCount)
        for position in rules {
            let pointer = unsafe view.pointee.rule(position)
            let outcome = outcome(of: pointer, search, bindings)
            trace.append(
                TraceLine(.rule, rule: description(ofRule: pointer.rule.number), outcome: outcome.text(patternTable)))
            guard case .match(let pattern) = outcome else { continue }
            switch pointer.action {
            case .allow: return PolicyDecision(reason: .profileAllow, rule: pointer.rule.number, pattern: pattern)
            case .deny: return PolicyDecision(reason: .profileDeny, rule: pointer.rule.number, pattern: pattern)
            case .pass: return PolicyDecision(reason: .profileDeny, rule: PolicyDecision.noRule, pattern: anyName)
            case .log: continue
            }
        }
        trace.append(TraceLine(.profile, subject: "profiles", outcome: "no rule matched: denied"))
        return PolicyDecision(reason: .profileDeny, rule: PolicyDecision.noRule, pattern: anyName)
    }

    private struct WalkedRules {
        /// By place in the policy; of several alternatives of a rule the one that matched, else the first.
        var lines: [Int: TraceLine] = [:]
        /// Rules that were not compiled, up to where the walk ended.
        var dropped: Range<Int> = 0..<0
        var found: (position: Int, pattern: PatternNumber)?
    }

    /// The rules of one policy up to the one that decides.
    private func walkRules<Bindings: BindingLookup & ~Copyable>(
        _ positions: Range<Int>, of count: Int, _ view: UnsafePointer<ProgramView>, _ search: FlowSearch, _ bindings: borrowing Bindings
    ) -> WalkedRules {
        var result = WalkedRules()
        var matched: Set<Int> = []
        for position in positions {
            let pointer = unsafe view.pointee.rule(position)
            let place = Int(pointer.rule.place)
            if matched.contains(place) { continue }
            let outcome = outcome(of: pointer, search, bindings)
            let line = TraceLine(.rule, rule: description(ofRule: pointer.rule.number), outcome: outcome.text(patternTable))
            guard case .match(let pattern) = outcome else {
                if result.lines[place] == nil { result.lines[place] = line }
                continue
            }
            result.lines[place] = line
            matched.insert(place)
            if pointer.action != .log {
                result.found = (position, pattern)
                result.dropped = 0..<place
                return result
            }
        }
        result.dropped = 0..<count
        return result
    }

    /// As `defaultDenyReason`, rule by rule.
    private func linearDenyReason<Bindings: BindingLookup & ~Copyable>(_ search: FlowSearch, _ bindings: borrowing Bindings)
        -> VerdictReason
    {
        let count = unsafe Int(search.view.pointee.ruleCount)
        guard (0..<count).contains(where: { unsafe wantsName(search.view.pointee.rule($0), search) }) else { return .tierDefaultDeny }
        var numbers = bindings.numbers(search.endpoint, boundTo: search.flow.destination)
        return numbers.next() == nil ? .addressNotResolved : .nameNotAllowed
    }

    private func exclusiveLine(_ denial: PolicyDecision) -> TraceLine {
        TraceLine(
            .builtIn, rule: description(ofRule: denial.rule),
            outcome: "match by \(pattern(denial.pattern)?.description ?? "?"): the name is exclusively others'")
    }

    private func tierName(_ slot: UInt32) -> String? { parts.tierNames[slot] }

    private static func text(_ order: Double) -> String { Int(exactly: order).map { "\($0)" } ?? "\(order)" }
}
