import PolicyModel
import Testing

/// `k8s.ovn.org/v1` EgressFirewall (type comments of ovn-kubernetes, crd/egressfirewall/v1).
struct DialectEgressFirewallTests {
    private static let inside = "Pass to [selector has(projectcalico.org/orchestrator), namespaceSelector all()]"

    @Test(arguments: [
        ("egress: []", []),
        ("egress: [{type: Allow, to: {cidrSelector: 192.0.2.0/24}}]", ["Pass to [nets 192.0.2.0/24]"]),
        ("egress: [{type: Deny, to: {cidrSelector: '::/0'}}]", ["Deny to [nets ::/0]"]),
        ("egress: [{type: Allow, to: {dnsName: api.example.org}}]", ["Pass to [domains api.example.org]"]),
        (
            "egress: [{type: Deny, to: {dnsName: '*.example.org.'}, ports: [{protocol: TCP, port: 443}]}]",
            ["Deny TCP to [domains *.example.org] ports 443"]
        ),
        (
            "egress: [{type: Allow, to: {cidrSelector: 192.0.2.0/24}, ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}, {protocol: TCP, port: 80}]}]",
            ["Pass UDP to [nets 192.0.2.0/24] ports 53", "Pass TCP to [nets 192.0.2.0/24] ports 53 80"]
        ),
        (
            "egress: [{type: Allow, to: {dnsName: a.example.org}}, {type: Deny, to: {cidrSelector: 0.0.0.0/0}}]",
            ["Pass to [domains a.example.org]", "Deny to [nets 0.0.0.0/0]"]
        ),
    ])
    func `rules pass on or deny, in their order, what leaves the cluster`(spec: String, lines: [String]) throws {
        let (resources, diagnostics) = DialectFile.firewall.load(spec)
        #expect(diagnostics == [])
        let policy = try #require(resources.policies.first)
        #expect(DialectText.head(policy) == "shop/default ovn-egressfirewall 0.0 Egress no-default denies-names")
        #expect(policy.egress.map(DialectText.line) == [Self.inside] + lines)
        #expect(
            policy.effectiveSelector.description
                == #"(has(projectcalico.org/orchestrator) && projectcalico.org/namespace == "shop")"#)
    }

    @Test func `the tier of firewalls stands once before the tier default and passes`() throws {
        let file = DialectFile.firewall.yaml("egress: []")
        let other = file.replacing("namespace: shop", with: "namespace: other")
        let (resources, diagnostics) = load("\(file)\n---\n\(other)")
        #expect(diagnostics == [])
        #expect(resources.policies.count == 2)
        let tiers = resources.tiers.filter { $0.name == Tier.egressFirewallName }
        #expect(tiers.map(\.order) == [900_000])
        #expect(tiers.map(\.defaultAction) == [.pass])
        #expect(load("").resources.tiers.map(\.name) == ["default"])
    }

    @Test(arguments: [("Allow", 1), ("Deny", 0)])
    func `a wildcard right below a public suffix is warned of where it opens`(type: String, count: Int) {
        let (_, diagnostics) = DialectFile.firewall.load("egress: [{type: \(type), to: {dnsName: '*.co.uk'}}]")
        #expect(diagnostics.map(\.severity) == Array(repeating: .warning, count: count))
    }

    @Test func `a wildcard stands for one label`() throws {
        let (resources, _) = DialectFile.firewall.load("egress: [{type: Allow, to: {dnsName: '*.example.org'}}]")
        let pattern = try #require(resources.policies.first?.egress.last?.destination.domains.first)
        #expect(try pattern.matches(.init(parsing: "a.example.org")))
        #expect(try !pattern.matches(.init(parsing: "a.b.example.org")))
        #expect(try !pattern.matches(.init(parsing: "example.org")))
    }
}
