import DomainNames
import EnforcementTesting
import NetworkTypes
import PolicyEngine
import PolicyModel

/// Everything that must be the same for one question.
enum Comparison {
    /// `whole` is a compiler that was given the same resources at once.
    static func firstDifference(
        _ engine: borrowing EngineUnderTest, whole: borrowing EngineUnderTest, _ reference: ReferencePolicy, _ probe: Probe,
        _ coverage: inout Coverage
    ) -> Disagreement? {
        guard let place = engine.place(of: probe.identity), let expected = reference.decide(probe.identity, probe.flow, held: probe.held)
        else { return nil }
        let policy = engine.policy
        let endpoint = policy.endpoints[place]
        let bindings = engine.bindings(endpoint.id, probe)
        let tuple = EngineUnderTest.tuple(probe.flow)
        let decision = policy.evaluate(endpoint: place, tuple, bindings: bindings)
        coverage.count(expected)
        if let found = difference(decision, expected, policy, .verdict, .reason) { return found }
        if let found = pattern(decision, expected, policy, probe, reference.vocabulary) { return found }

        let staged = policy.evaluateStaged(endpoint: place, tuple, bindings: bindings)
        if let found = stagedDifference(staged, expected, policy, reference, probe, &coverage) { return found }

        let explained = policy.explain(endpoint: place, tuple, bindings: bindings).decision
        if explained != decision { return Disagreement(.explain, engine: "\(explained)", reference: "\(decision) as evaluate did") }

        if let found = lookupDifference(engine, place, reference, probe, &coverage) { return found }
        return wholeDifference(engine, place, decision, staged, whole: whole, probe)
    }

    /// The same endpoints, without those that got no number.
    static func endpointDifference(_ engine: borrowing EngineUnderTest, _ world: [Resource], refused: Set<String>) -> Disagreement? {
        let resources = ResourceSet(world)
        let expected = Set(resources.endpoints.map(\.identity) + resources.hostEndpoints.map(\.identity)).subtracting(refused)
        let found = engine.policy.endpoints.map(\.identity)
        if Set(found) != expected || found.count != expected.count {
            return Disagreement(.endpoints, engine: "\(found.sorted())", reference: "\(expected.sorted())")
        }
        for (address, identity) in resources.endpoints.flatMap({ e in e.addresses.map { ($0, e.identity) } })
            + resources.hostEndpoints.flatMap({ e in e.expectedIPs.map { ($0, e.identity) } })
        {
            let owner = engine.policy.endpointIndex(of: address).map { engine.policy.endpoints[$0].identity }
            let wanted = refused.contains(identity) ? nil : identity
            if owner != wanted {
                return Disagreement(
                    .endpoints, engine: "\(address) belongs to \(owner ?? "nobody")", reference: "it belongs to \(wanted ?? "nobody")")
            }
        }
        return nil
    }

    private static func difference(
        _ decision: PolicyDecision, _ expected: ReferenceDecision, _ policy: CompiledPolicy, _ verdict: Disagreement.Kind,
        _ reason: Disagreement.Kind
    ) -> Disagreement? {
        let engine = "\(decision.reason.label) by \(policy.description(ofRule: decision.rule)?.description ?? "no rule")"
        let wanted = "\(expected.reason.rawValue) by \(expected.tier)|\(expected.policy)|\(expected.rule.map(String.init) ?? "-")"
        if decision.isAllowed != expected.isAllowed { return Disagreement(verdict, engine: engine, reference: wanted) }
        if !Reasons.isSame(decision.reason, expected.reason) { return Disagreement(reason, engine: engine, reference: wanted) }
        let description = policy.description(ofRule: decision.rule)
        switch expected.reason {
        case .policyAllow, .policyDeny, .tierDefaultDeny, .addressNotResolved, .nameNotAllowed:
            if description?.tier != expected.tier || description?.policy != expected.policy || description?.rule != expected.rule {
                return Disagreement(.rule, engine: engine, reference: wanted)
            }
        case .profileAllow, .profileDeny, .exclusiveName:
            if description?.rule != expected.rule { return Disagreement(.rule, engine: engine, reference: wanted) }
            if expected.rule != nil, description?.policy.hasSuffix(expected.policy) != true {
                return Disagreement(.rule, engine: engine, reference: wanted)
            }
        case .noPolicy, .noPolicyDeny, .failsafe, .encapsulation: break
        }
        return nil
    }

    /// The pattern by which it matched is one that could have, and there is one if nothing else could.
    private static func pattern(
        _ decision: PolicyDecision, _ expected: ReferenceDecision, _ policy: CompiledPolicy, _ probe: Probe,
        _ vocabulary: ReferenceVocabulary
    ) -> Disagreement? {
        guard expected.rule != nil || expected.reason == .exclusiveName else { return nil }
        let wanted = "address: \(expected.matchedByAddress), patterns: \(expected.patterns)"
        guard decision.pattern != anyName else {
            return expected.matchedByAddress ? nil : Disagreement(.pattern, engine: "none", reference: wanted)
        }
        guard let pattern = policy.patterns(numberedFrom: decision.pattern).first(where: { $0.0 == decision.pattern })?.1 else {
            return Disagreement(.pattern, engine: "\(decision.pattern), which stands for none", reference: wanted)
        }
        // An exclusive set may be one of several that hold the name.
        if expected.reason == .exclusiveName {
            return probe.held.contains { vocabulary.matches(pattern, $0) }
                ? nil : Disagreement(.pattern, engine: "\(pattern)", reference: wanted)
        }
        return expected.patterns.contains(pattern) ? nil : Disagreement(.pattern, engine: "\(pattern)", reference: wanted)
    }

    private static func stagedDifference(
        _ staged: PolicyDecision?, _ expected: ReferenceDecision, _ policy: CompiledPolicy, _ reference: ReferencePolicy, _ probe: Probe,
        _ coverage: inout Coverage
    ) -> Disagreement? {
        guard let wanted = reference.decideStaged(probe.identity, probe.flow, held: probe.held) else { return nil }
        let staging = reference.staging(of: probe.identity)
        coverage.countStaged(enforced: expected, staged: wanted, staging, isThere: staged != nil)
        guard let staged else {
            if staging == .active {
                return Disagreement(.stagedPresence, engine: "nothing", reference: "\(wanted.reason) by \(wanted.policy)")
            }
            return nil
        }
        return difference(staged, wanted, policy, .stagedVerdict, .stagedReason)
    }

    private static func lookupDifference(
        _ engine: borrowing EngineUnderTest, _ place: Int, _ reference: ReferencePolicy, _ probe: Probe, _ coverage: inout Coverage
    ) -> Disagreement? {
        guard let isAnswered = reference.answersLookup(probe.identity, of: probe.asked) else { return nil }
        let numbers = engine.numbers(matching: probe.asked)
        let isOpen = engine.policy.nameDecision(endpoint: place, name: probe.asked, patterns: numbers) == .open
        let couldAllow = reference.couldAllow(probe.identity, probe.asked)
        coverage.countLookup(isAnswered: isAnswered, couldAllow: couldAllow)
        if isOpen != isAnswered {
            return Disagreement(
                .lookup, engine: "\(isOpen ? "answers" : "refuses") \(probe.asked)", reference: isAnswered ? "answers" : "refuses")
        }
        if engine.policy.couldAllow(endpoint: place, patterns: numbers) != couldAllow {
            return Disagreement(.couldAllow, engine: "\(!couldAllow) for \(probe.asked)", reference: "\(couldAllow)")
        }
        return nil
    }

    /// One compiler that was given everything at once says the same.
    private static func wholeDifference(
        _ engine: borrowing EngineUnderTest, _ place: Int, _ decision: PolicyDecision, _ staged: PolicyDecision?,
        whole: borrowing EngineUnderTest, _ probe: Probe
    ) -> Disagreement? {
        guard let other = whole.place(of: probe.identity) else {
            return Disagreement(.incremental, engine: "there", reference: "not there when compiled whole")
        }
        let endpoint = engine.policy.endpoints[place]
        let compiled = whole.policy.endpoints[other]
        if endpoint.fingerprint != compiled.fingerprint {
            return Disagreement(.fingerprint, engine: "\(endpoint.fingerprint)", reference: "\(compiled.fingerprint) when compiled whole")
        }
        let tuple = EngineUnderTest.tuple(probe.flow)
        let bindings = whole.bindings(compiled.id, probe)
        let wholeDecision = whole.policy.evaluate(endpoint: other, tuple, bindings: bindings)
        let text = text(decision, engine.policy)
        let wholeText = self.text(wholeDecision, whole.policy)
        if text != wholeText { return Disagreement(.incremental, engine: text, reference: "\(wholeText) when compiled whole") }
        let wholeStaged = whole.policy.evaluateStaged(endpoint: other, tuple, bindings: bindings).map { self.text($0, whole.policy) }
        let stagedText = staged.map { self.text($0, engine.policy) }
        if stagedText != wholeStaged {
            return Disagreement(
                .incremental, engine: "staged \(stagedText ?? "nothing")", reference: "\(wholeStaged ?? "nothing") when compiled whole")
        }
        return nil
    }

    /// Without the set where several exclusive ones may refuse: no order is promised among them.
    private static func text(_ decision: PolicyDecision, _ policy: CompiledPolicy) -> String {
        if let description = policy.description(ofRule: decision.rule), description.origin == .exclusiveSet { return "an exclusive set" }
        return "\(decision.reason.label) by \(policy.description(ofRule: decision.rule)?.description ?? "no rule")"
    }

    /// Every pattern of the policy is found by exactly the names that it matches.
    static func numberDifference(_ engine: borrowing EngineUnderTest, _ vocabulary: ReferenceVocabulary) -> Disagreement? {
        let patterns = engine.policy.patterns(numberedFrom: 1)
        for name in PolicyGenerator.names {
            let found = engine.numbers(matching: name)
            let expected = patterns.filter { vocabulary.matches($0.1, name) }.map(\.0)
            if found.sorted() != expected.sorted() {
                return Disagreement(.patternNumbers, engine: "\(found.sorted()) for \(name)", reference: "\(expected.sorted())")
            }
        }
        return nil
    }
}
