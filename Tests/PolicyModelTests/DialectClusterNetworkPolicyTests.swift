import PolicyModel
import Testing

/// `policy.networking.k8s.io/v1alpha2` ClusterNetworkPolicy (type comments of kubernetes-sigs/network-policy-api, apis/v1alpha2).
struct DialectClusterNetworkPolicyTests {
    private static let pod = #"projectcalico.org/orchestrator == "k8s""#
    private static let head = "tier: Admin\npriority: 10\nsubject: {namespaces: {}}\n"

    @Test(arguments: [
        ("Admin", 0, "kcnp.kube-admin.web kube-admin 0.0 Egress", 1_000.0),
        ("Admin", 1000, "kcnp.kube-admin.web kube-admin 1000.0 Egress", 1_000.0),
        ("Baseline", 7, "kcnp.kube-baseline.web kube-baseline 7.0 Egress", 10_000_000.0),
    ])
    func `tier and priority become tier and order`(tier: String, priority: Int, head: String, tierOrder: Double) throws {
        let spec =
            "tier: \(tier)\npriority: \(priority)\nsubject: {namespaces: {}}\negress: [{action: Deny, to: [{networks: [192.0.2.0/24]}]}]"
        let (resources, diagnostics) = DialectFile.cluster.load(spec)
        #expect(diagnostics == [])
        let policy = try #require(resources.policies.first)
        #expect(DialectText.head(policy) == head)
        let found = try #require(resources.tiers.first { $0.name == policy.tier })
        #expect(found.order == tierOrder)
        #expect(found.defaultAction == .pass)
    }

    @Test(arguments: [
        ("namespaces: {}", #"(\#(pod) && has(projectcalico.org/namespace))"#),
        ("namespaces: {matchLabels: {team: a}}", #"(\#(pod) && pcns.team == "a")"#),
        (
            "pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: web}}}",
            #"((\#(pod) && app == "web") && has(projectcalico.org/namespace))"#
        ),
        (
            "pods: {namespaceSelector: {matchExpressions: [{key: team, operator: NotIn, values: [a]}]}, podSelector: {}}",
            #"(\#(pod) && pcns.team not in {"a"})"#
        ),
    ])
    func `the subject is pods of namespaces`(subject: String, selector: String) throws {
        let spec = "tier: Admin\npriority: 1\nsubject: {\(subject)}\negress: [{action: Pass, to: [{namespaces: {}}]}]"
        let (resources, diagnostics) = DialectFile.cluster.load(spec)
        #expect(diagnostics == [])
        // The selector stands before the namespaces.
        #expect(try #require(resources.policies.first).effectiveSelector.description == selector)
    }

    @Test(arguments: [
        ("{action: Accept, to: [{namespaces: {}}]}", ["Allow to [selector \(pod), namespaceSelector all()]"]),
        (
            "{action: Deny, to: [{pods: {namespaceSelector: {matchLabels: {team: a}}, podSelector: {matchLabels: {app: db}}}}]}",
            [#"Deny to [selector (\#(pod) && app == "db"), namespaceSelector team == "a"]"#]
        ),
        ("{action: Pass, to: [{networks: [0.0.0.0/0]}]}", ["Pass to [nets 0.0.0.0/0]"]),
        (
            "{action: Deny, to: [{networks: ['2001:db8::/32', 192.0.2.0/24, 198.51.100.0/24]}]}",
            ["Deny to [nets 192.0.2.0/24 198.51.100.0/24]", "Deny to [nets 2001:db8::/32]"]
        ),
        (
            "{action: Accept, to: [{domainNames: [api.example.org, '*.example.net']}]}",
            ["Allow to [domains api.example.org *.example.net]"]
        ),
        (
            "{name: web, action: Accept, to: [{domainNames: [a.example.org]}, {namespaces: {}}], protocols: [{tcp: {destinationPort: {number: 443}}}]}",
            ["Allow TCP to [domains a.example.org] ports 443", "Allow TCP to [selector \(pod), namespaceSelector all()] ports 443"]
        ),
        (
            "{action: Accept, to: [{networks: [192.0.2.0/24]}], protocols: [{udp: {destinationPort: {range: {start: 1, end: 5}}}}, {tcp: {destinationPort: {number: 7}}}, {udp: {destinationPort: {number: 9}}}]}",
            ["Allow UDP to [nets 192.0.2.0/24] ports 1:5 9", "Allow TCP to [nets 192.0.2.0/24] ports 7"]
        ),
        (
            "{action: Accept, to: [{namespaces: {}}], protocols: [{destinationNamedPort: web}]}",
            [
                "Allow TCP to [selector \(pod), namespaceSelector all()] ports web",
                "Allow UDP to [selector \(pod), namespaceSelector all()] ports web",
                "Allow SCTP to [selector \(pod), namespaceSelector all()] ports web",
            ]
        ),
    ])
    func `egress rules are translated in their order`(rule: String, lines: [String]) throws {
        let (resources, diagnostics) = DialectFile.cluster.load(Self.head + "egress: [\(rule)]")
        #expect(diagnostics == [])
        #expect(try #require(resources.policies.first).egress.map(DialectText.line) == lines)
    }

    @Test func `a policy is for the directions that it has rules for`() throws {
        let (none, _) = DialectFile.cluster.load(Self.head)
        #expect(try #require(none.policies.first).types == [])
        let (both, found) = DialectFile.cluster.load(
            Self.head
                + "egress: [{action: Deny, to: [{namespaces: {}}], name: e}]\ningress: [{action: Deny, from: [{namespaces: {}}]}]")
        let policy = try #require(both.policies.first)
        #expect(policy.types == [.egress, .ingress])
        #expect(policy.ingress.map(DialectText.line) == ["Deny from [selector \(Self.pod), namespaceSelector all()]"])
        #expect(policy.egress.map(\.annotations) == [["name": "e"]])
        #expect(found.map(\.severity) == [.warning])
    }
}
