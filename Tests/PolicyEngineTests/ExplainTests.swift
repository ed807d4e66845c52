import DomainNames
import EnforcementTesting
import NetworkTypes
import PolicyEngine
import PolicyModel
import Testing

struct ExplainTests {
    @Test func `the trace tells every rule that was tried`() throws {
        let scene = try Scene(
            """
            apiVersion: projectcalico.org/v3
            kind: Tier
            metadata: {name: security}
            spec: {order: 10, defaultAction: Pass}
            ---
            apiVersion: projectcalico.org/v3
            kind: GlobalNetworkPolicy
            metadata: {name: security.a}
            spec: {tier: security, types: [Egress], egress: [{action: Log}, {action: Deny, destination: {nets: [203.0.113.0/24]}}]}
            ---
            apiVersion: projectcalico.org/v3
            kind: GlobalNetworkPolicy
            metadata: {name: b}
            spec: {types: [Egress], egress: [{action: Allow, destination: {domains: [api.example.org]}}]}
            """)
        let (position, flow, bindings) = try scene.read("web 192.0.2.1 tcp 443")
        let (decision, trace) = scene.policy.explain(endpoint: position, flow, bindings: bindings)
        #expect(decision.reason == .addressNotResolved)
        #expect(
            trace.map(\.description) == [
                "tier security: counts, default Pass",
                "policy security.a: selects the endpoint, 1 of 1 in its tier",
                "security|security.a|egress[0]|Log: match",
                "security|security.a|egress[1]|Deny: no match: the destination is in none of its nets",
                "security|default-action|-|Pass: no rule of the tier matched, on to the next tier",
                "tier default: counts, default Deny",
                "policy b: selects the endpoint, 1 of 1 in its tier",
                "default|b|egress[0]|Allow: no match: the endpoint holds no live binding for this address under a name of the rule",
                "default|default-action|-|Deny: no rule of the tier matched",
            ])
    }

    @Test(arguments: 1...40 as ClosedRange<UInt64>)
    func `the trace ends where the decision was made`(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var compiler = PolicyCompiler(PolicyOptions(unselectedAllowed: random.chance(50)))
        let resources = try Self.resources(&random)
        let policy = Scene.compile(resources, &compiler)
        let names = try ["api.example.org", "a.example.net", "www.example.test"].map { try DomainName(parsing: $0) }
        for _ in 0..<100 {
            let position = Int.random(in: 0..<policy.endpoints.count, using: &random)
            let destination = IPAddress(v4: 0xc000_0200 + UInt32.random(in: 0..<16, using: &random))
            let flow = FlowTuple(
                source: policy.endpoints[position].addresses[0], destination: destination, transport: random.pick([.tcp, .udp]),
                sourcePort: 1,
                destinationPort: random.pick([80, 443]))
            let bindings = HeldNames(
                policy, client: policy.endpoints[position].id, destination, random.chance(50) ? [random.pick(names)] : [])
            let evaluated = policy.evaluate(endpoint: position, flow, bindings: bindings)
            let (decision, trace) = policy.explain(endpoint: position, flow, bindings: bindings)
            #expect(decision == evaluated)
            let last = trace.last
            let lacked = trace.contains { $0.outcome.contains("no live binding") }
            switch decision.reason {
            case .policyAllow, .policyDeny:
                #expect(last?.outcome.hasPrefix("match") == true && last?.rule == policy.description(ofRule: decision.rule), "seed \(seed)")
                #expect(last?.rule?.action == (decision.isAllowed ? "Allow" : "Deny"))
            case .tierDefaultDeny, .addressNotResolved, .nameNotAllowed:
                #expect(
                    last?.outcome == "no rule of the tier matched" && last?.rule == policy.description(ofRule: decision.rule),
                    "seed \(seed)")
                if lacked { #expect(decision.reason != .tierDefaultDeny, "seed \(seed)") }
            case .noPolicy, .noPolicyDeny:
                #expect(decision.rule == PolicyDecision.noRule)
                #expect(last?.kind == .profile && (decision.reason == .noPolicy) == policy.unselectedAllowed, "seed \(seed)")
            default: Issue.record("policy does not say \(decision.reason)")
            }
        }
    }

    private static func resources(_ random: inout SeededGenerator) throws -> ResourceSet {
        func selector(_ choices: [String]) throws -> Selector { try Selector(parsing: random.pick(choices)) }
        func rule() throws -> PolicyRule {
            var rule = PolicyRule(action: random.pick([.allow, .allow, .deny, .pass, .log]))
            rule.protocol = random.pick([nil, .tcp, .udp])
            switch Int.random(in: 0..<4, using: &random) {
            case 0:
                rule.action = .allow
                rule.destination.domains = [
                    try DomainPattern(parsing: random.pick(["api.example.org", "*.example.net", "*.example.org"]), dialect: .calico)
                ]
            case 1:
                rule.destination.nets = [
                    try #require(IPPrefix(IPAddress(v4: 0xc000_0200 + UInt32.random(in: 0..<16, using: &random)), length: 30))
                ]
            case 2: rule.destination.selector = try selector(["has(set)", "set == '1'"])
            default: break
            }
            if rule.protocol != nil, random.chance(40) { rule.destination.ports = [.range(PortRange(443))] }
            return rule
        }
        var policies: [NetworkPolicy] = []
        for number in 0..<Int.random(in: 0...7, using: &random) {
            let rules = try (0..<Int.random(in: 0...3, using: &random)).map { _ in try rule() }
            policies.append(
                NetworkPolicy(
                    name: "p\(number)", tier: random.pick(["a", "b", Tier.defaultName]),
                    order: Double(Int.random(in: 0..<4, using: &random)),
                    selector: try selector(["all()", "app == 'x'", "app == 'y'"]), types: [.egress], egress: rules))
        }
        return ResourceSet(
            policies: policies,
            tiers: [
                Tier(name: "a", order: 1, defaultAction: random.pick([.pass, .deny])), Tier(name: "b", order: 2, defaultAction: .pass),
                .default,
            ],
            networkSets: [
                NetworkSet(name: "s0", labels: ["set": "0"], nets: [IPPrefix(IPAddress(v4: 0xc000_0201))]),
                NetworkSet(
                    name: "s1", labels: ["set": "1"], allowedEgressDomains: [try DomainPattern(parsing: "*.example.test", dialect: .calico)]
                ),
            ],
            endpoints: (0..<3).map { number in
                WorkloadEndpoint(
                    name: "e\(number)", namespace: "default", labels: ["app": random.pick(["x", "y", "z"])],
                    addresses: [IPAddress(v4: 0xc633_6401 + UInt32(number))], interfaceName: "cali\(number)")
            })
    }
}
