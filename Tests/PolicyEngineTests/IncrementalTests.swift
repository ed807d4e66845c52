import DomainNames
import EnforcementTesting
import NetworkTypes
import PolicyEngine
import PolicyModel
import Testing

/// A compiler that has seen many changes decides as one that sees the result for the first time, and the index as one rule after the other.
struct IncrementalTests {
    private static func number(_ identity: String) -> EndpointID? {
        // Names of the universe are e0...e7 and h0, h1; a changed uid is another endpoint.
        var hash: UInt32 = 2_166_136_261
        for byte in identity.utf8 { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
        return EndpointID(rawValue: hash)
    }

    @Test(arguments: 1...40 as ClosedRange<UInt64>)
    func `changes lead where a fresh start leads, and the index where the walk leads`(seed: UInt64) throws {
        var universe = try RandomResources(seed: seed)
        let options = PolicyOptions(unselectedAllowed: seed % 3 != 0, exclusiveByDefault: seed % 10 == 0)
        var compiler = PolicyCompiler(options)
        // Numbers are given again and again.
        if seed % 2 == 0 { compiler.ruleNumbers = RuleNumbers(turn: 32) }
        var policy = compiler.compile(universe.set, identify: Self.number)
        for round in 0..<25 {
            var fresh = PolicyCompiler(options)
            let expected = fresh.compile(universe.set, identify: Self.number)
            try Self.compare(policy, expected, &universe, "seed \(seed) round \(round)")
            #expect(compiler.sizes == fresh.sizes, "seed \(seed) round \(round)")
            let changes = try universe.change()
            if round % 5 == 4 {
                policy = compiler.compile(universe.set, identify: Self.number)
            } else {
                policy = compiler.apply(changes, identify: Self.number)
            }
        }
    }

    private static func compare(
        _ policy: CompiledPolicy, _ expected: CompiledPolicy, _ universe: inout RandomResources, _ title: String
    ) throws {
        #expect(Set(policy.endpoints.map(\.identity)) == Set(expected.endpoints.map(\.identity)), "\(title)")
        #expect(policy.deniesNames == expected.deniesNames, "\(title)")
        for endpoint in expected.endpoints {
            let other = try #require(policy.endpoint(endpoint.id))
            #expect(other.fingerprint == endpoint.fingerprint, "\(title): \(endpoint.identity)")
            #expect(other.isPoliced == endpoint.isPoliced, "\(title): \(endpoint.identity)")
            for address in endpoint.addresses {
                #expect(policy.endpointIndex(of: address).map { policy.endpoints[$0].id } == endpoint.id, "\(title)")
            }
        }
        guard !expected.endpoints.isEmpty else { return }
        for _ in 0..<60 {
            let place = universe.pick(expected.endpoints.count)
            let endpoint = expected.endpoints[place]
            let flow = universe.flow(from: endpoint)
            let names = try universe.held()
            let position = try #require(policy.position(of: endpoint.id))
            let held = HeldNames(policy, client: endpoint.id, flow.destination, names)
            let heldThere = HeldNames(expected, client: endpoint.id, flow.destination, names)
            let decided = policy.evaluate(endpoint: position, flow, bindings: held)
            let wanted = expected.evaluate(endpoint: place, flow, bindings: heldThere)
            let staged = policy.evaluateStaged(endpoint: position, flow, bindings: held)
            let wantedStaged = expected.evaluateStaged(endpoint: place, flow, bindings: heldThere)
            let line: Comment = "\(title): \(endpoint.identity) \(flow) \(names)"
            #expect(text(decided, policy) == text(wanted, expected), line)
            #expect(staged.map { text($0, policy) } == wantedStaged.map { text($0, expected) }, line)
            let (explained, trace) = policy.explain(endpoint: position, flow, bindings: held)
            #expect(explained == decided, "\(title): \(endpoint.identity) \(flow) \(names) \(trace)")
            #expect(policy.explainStaged(endpoint: position, flow, bindings: held)?.decision == staged, line)
            try compareNames(policy, position, expected, place, names, title)
        }
    }

    private static func compareNames(
        _ policy: CompiledPolicy, _ position: Int, _ expected: CompiledPolicy, _ place: Int, _ names: [DomainName], _ title: String
    ) throws {
        for name in names {
            var numbers: [PatternNumber] = []
            var others: [PatternNumber] = []
            policy.appendPatterns(matching: name, to: &numbers)
            expected.appendPatterns(matching: name, to: &others)
            #expect(
                Set(numbers.map { policy.pattern($0)?.description }) == Set(others.map { expected.pattern($0)?.description }), "\(title)")
            #expect(
                policy.couldAllow(endpoint: position, patterns: numbers) == expected.couldAllow(endpoint: place, patterns: others),
                "\(title)")
            let decision = policy.nameDecision(endpoint: position, name: name, patterns: numbers)
            switch (decision, expected.nameDecision(endpoint: place, name: name, patterns: others)) {
            case (.open, .open): break
            case (.refused(let rule, let reason), .refused(let otherRule, let otherReason)):
                #expect(reason == otherReason, "\(title)")
                #expect(policy.description(ofRule: rule) == expected.description(ofRule: otherRule), "\(title)")
                #expect(policy.deniesNames)
            default: Issue.record("\(title): \(name) is \(decision)")
            }
        }
    }

    private static func text(_ decision: PolicyDecision, _ policy: CompiledPolicy) -> String {
        "\(decision.reason.label) \(policy.description(ofRule: decision.rule).map(\.description) ?? "-") "
            + (decision.pattern == anyName ? "-" : "by name")
    }

    @Test func `nothing stays behind of what is gone`() throws {
        #if DEBUG
            let count = 3_000
        #else
            let count = 30_000
        #endif
        var universe = try RandomResources(seed: 7)
        var compiler = PolicyCompiler()
        var policy = compiler.compile(universe.set, identify: Self.number)
        for _ in 0..<count { policy = compiler.apply(try universe.change(), identify: Self.number) }
        var fresh = PolicyCompiler()
        let expected = fresh.compile(universe.set, identify: Self.number)
        #expect(compiler.sizes == fresh.sizes)
        #expect(policy.endpoints.count == expected.endpoints.count)
        policy = compiler.compile(ResourceSet(), identify: Self.number)
        let sizes = compiler.sizes
        #expect(sizes.endpoints + sizes.policies + sizes.programs + sizes.addressSets + sizes.members + sizes.patterns == 0)
        #expect(policy.patterns(numberedFrom: 0).isEmpty)
    }
}
