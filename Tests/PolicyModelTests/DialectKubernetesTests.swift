import PolicyModel
import Testing

/// `networking.k8s.io/v1` NetworkPolicy, as Calico converts it (docs.tigera.io, "Kubernetes policy"; kubernetes.io, "Network Policies").
struct DialectKubernetesTests {
    private static let pod = #"projectcalico.org/orchestrator == "k8s""#

    @Test(arguments: [
        // The rules about types, from the API reference of policyTypes.
        ("podSelector: {}", "Ingress", [], []),
        ("podSelector: {}\npolicyTypes: [Egress]", "Egress", [], []),
        ("podSelector: {}\npolicyTypes: [Egress]\negress: []", "Egress", [], []),
        ("podSelector: {}\negress: []", "Ingress", [], []),
        ("podSelector: {}\negress: [{}]", "Egress+Ingress", ["Allow"], []),
        ("podSelector: {}\npolicyTypes: []\negress: [{}]", "Egress+Ingress", ["Allow"], []),
        ("podSelector: {}\npolicyTypes: [Ingress]\negress: [{}]", "Ingress", ["Allow"], []),
        ("podSelector: {}\npolicyTypes: [Ingress, Egress]\ningress: [{}]", "Egress+Ingress", [], ["Allow"]),
        // Peers.
        ("podSelector: {}\negress: [{to: [], ports: []}]", "Egress+Ingress", ["Allow"], []),
        ("podSelector: {}\negress: [{to: [{podSelector: {}}]}]", "Egress+Ingress", ["Allow to [selector \(pod)]"], []),
        (
            "podSelector: {}\negress: [{to: [{podSelector: {matchLabels: {app: db, 'example.org/tier': back}}}]}]", "Egress+Ingress",
            [#"Allow to [selector (\#(pod) && app == "db" && example.org/tier == "back")]"#], []
        ),
        (
            "podSelector: {}\negress: [{to: [{namespaceSelector: {}}]}]", "Egress+Ingress",
            ["Allow to [selector \(pod), namespaceSelector all()]"], []
        ),
        (
            "podSelector: {}\negress: [{to: [{namespaceSelector: {matchLabels: {team: a}}, podSelector: {matchLabels: {app: db}}}]}]",
            "Egress+Ingress", [#"Allow to [selector (\#(pod) && app == "db"), namespaceSelector team == "a"]"#], []
        ),
        (
            """
            podSelector: {}
            egress:
              - to:
                  - podSelector:
                      matchExpressions:
                        - {key: a, operator: In, values: [z, b, b]}
                        - {key: b, operator: NotIn, values: [c]}
                        - {key: c, operator: Exists}
                        - {key: d, operator: DoesNotExist, values: []}
            """, "Egress+Ingress", [#"Allow to [selector (\#(pod) && a in {"b", "z"} && b not in {"c"} && has(c) && !has(d))]"#], []
        ),
        (
            "podSelector: {}\negress: [{to: [{ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.64/26, 192.0.2.1/32]}}]}]",
            "Egress+Ingress", ["Allow to [nets 192.0.2.0/24, notNets 192.0.2.64/26 192.0.2.1/32]"], []
        ),
        (
            "podSelector: {}\negress: [{to: [{ipBlock: {cidr: '2001:db8::/32'}}, {podSelector: {}}]}]", "Egress+Ingress",
            ["Allow to [nets 2001:db8::/32]", "Allow to [selector \(pod)]"], []
        ),
        // Ports.
        ("podSelector: {}\negress: [{ports: [{port: 443}]}]", "Egress+Ingress", ["Allow TCP ports 443"], []),
        ("podSelector: {}\negress: [{ports: [{protocol: UDP}]}]", "Egress+Ingress", ["Allow UDP"], []),
        ("podSelector: {}\negress: [{ports: [{}]}]", "Egress+Ingress", ["Allow TCP"], []),
        ("podSelector: {}\negress: [{ports: [{port: 443}, {protocol: TCP}]}]", "Egress+Ingress", ["Allow TCP"], []),
        (
            "podSelector: {}\negress: [{ports: [{port: 53, protocol: UDP}, {port: 53}, {port: 8000, endPort: 8100}, {port: dns-tcp}]}]",
            "Egress+Ingress", ["Allow UDP ports 53", "Allow TCP ports 53 8000:8100 dns-tcp"], []
        ),
        (
            "podSelector: {}\negress: [{to: [{podSelector: {}}, {ipBlock: {cidr: 192.0.2.0/24}}], ports: [{port: 1}, {port: 2, protocol: SCTP}]}]",
            "Egress+Ingress",
            [
                "Allow TCP to [selector \(pod)] ports 1", "Allow SCTP to [selector \(pod)] ports 2",
                "Allow TCP to [nets 192.0.2.0/24] ports 1", "Allow SCTP to [nets 192.0.2.0/24] ports 2",
            ], []
        ),
        // Ingress: peers are the source, ports those of the destination.
        (
            "podSelector: {}\ningress: [{from: [{namespaceSelector: {}}], ports: [{port: 80}]}]", "Ingress", [],
            ["Allow TCP from [selector \(pod), namespaceSelector all()] ports 80"]
        ),
    ])
    func `a Kubernetes policy is converted as Calico does`(spec: String, types: String, egress: [String], ingress: [String]) throws {
        let (resources, diagnostics) = DialectFile.kubernetes.load(spec)
        #expect(!diagnostics.containsError, "\(diagnostics)")
        let policy = try #require(resources.policies.first)
        #expect(DialectText.head(policy) == "shop/knp.default.web default 1000.0 \(types)")
        #expect(policy.kind == .kubernetesNetworkPolicy)
        #expect(policy.selector.description == Self.pod)
        #expect(policy.egress.map(DialectText.line) == egress)
        #expect(policy.ingress.map(DialectText.line) == ingress)
        #expect(resources.tiers.map(\.name) == ["default"])
    }

    @Test func `the subject is the namespace's pods with the labels`() throws {
        let spec = "podSelector: {matchLabels: {app: web}, matchExpressions: [{key: x, operator: Exists}]}\npolicyTypes: [Egress]"
        let (resources, diagnostics) = DialectFile.kubernetes.load(spec)
        #expect(diagnostics == [])
        let policy = try #require(resources.policies.first)
        #expect(
            policy.effectiveSelector.description
                == #"((\#(Self.pod) && app == "web" && has(x)) && projectcalico.org/namespace == "shop")"#)
    }

    @Test(arguments: [
        ("podSelector: {}\npolicyTypes: [Egress]", "Set", "Egress"),
        ("podSelector: {}\npolicyTypes: [Egress]\nstagedAction: Learn", "Learn", "Egress"),
        ("stagedAction: Delete", "Delete", "Ingress"),
    ])
    func `a staged Kubernetes policy has the same spec`(spec: String, action: String, types: String) throws {
        let (resources, diagnostics) = DialectFile.staged.load(spec)
        #expect(!diagnostics.containsError, "\(diagnostics)")
        let policy = try #require(resources.policies.first)
        #expect(DialectText.head(policy) == "shop/knp.default.web default 1000.0 \(types) staged-\(action)")
        #expect(policy.kind == .stagedKubernetesNetworkPolicy)
    }

    @Test(arguments: [
        ("podSelector: {}\npolicyTypes: [Ingress]", ["spec.policyTypes: Exeat enforces egress only"]),
        ("podSelector: {}", ["spec.policyTypes: Exeat enforces egress only"]),
        ("policyTypes: [Egress]", ["spec.podSelector: is missing: every pod"]),
        (
            "podSelector: {}\npolicyTypes: [Ingress]\negress: [{}]",
            ["enforces egress only", "spec.egress: the egress rules have no effect"]
        ),
        ("podSelector: {}\negress: []", ["enforces egress only", "spec.egress: an empty list without policyTypes leaves egress open"]),
    ])
    func `what is not what it seems is warned of`(spec: String, warnings: [String]) {
        let found = DialectFile.kubernetes.load(spec).diagnostics.map(\.description)
        #expect(found.count == warnings.count, "\(found)")
        for warning in warnings { #expect(found.contains { $0.contains("warning: ") && $0.contains(warning) }, "\(warning): \(found)") }
    }
}
