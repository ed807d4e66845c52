import NetworkTypes
import PolicyEngine
import Testing

/// A fingerprint stands for an endpoint's effective policy: equal policies are equal over processes, and nothing changes
/// for those whom a change does not concern.
struct FingerprintTests {
    private static let base = """
        apiVersion: projectcalico.org/v3
        kind: Tier
        metadata: {name: security}
        spec: {order: 10, defaultAction: Pass}
        ---
        apiVersion: projectcalico.org/v3
        kind: GlobalNetworkSet
        metadata: {name: s, labels: {role: partner}}
        spec: {nets: [203.0.113.0/24], allowedEgressDomains: [api.example.org]}
        ---
        apiVersion: projectcalico.org/v3
        kind: GlobalNetworkPolicy
        metadata: {name: security.web}
        spec:
          tier: security
          selector: app == "web"
          types: [Egress]
          egress:
            - {action: Deny, destination: {nets: [192.0.2.66/32]}}
        ---
        apiVersion: projectcalico.org/v3
        kind: GlobalNetworkPolicy
        metadata: {name: names}
        spec:
          order: 10
          selector: app in {"web", "db"}
          types: [Egress]
          egress:
            - {action: Allow, protocol: TCP, destination: {domains: [www.example.org], ports: [80, 443]}}
        ---
        apiVersion: projectcalico.org/v3
        kind: GlobalNetworkPolicy
        metadata: {name: sets}
        spec:
          order: 20
          selector: app in {"db", "job"}
          types: [Egress]
          egress:
            - {action: Allow, destination: {selector: role == "partner"}}
        """

    private static func fingerprints(_ yaml: String, endpoints: String = Scene.endpoints, unselectedAllowed: Bool = true) throws -> [String:
        UInt64]
    {
        let scene = try Scene(yaml, endpoints: endpoints, unselectedAllowed: unselectedAllowed)
        return Dictionary(uniqueKeysWithValues: scene.policy.endpoints.map { ($0.name, $0.fingerprint) })
    }

    @Test func `fingerprints are equal over recompilation and over a restart`() throws {
        var compiler = PolicyCompiler()
        let first = try Scene(Self.base, &compiler).policy
        let again = try Scene(Self.base, &compiler).policy
        var other = PolicyCompiler()
        _ = try Scene(Self.base.replacing("www.example.org", with: "other.example.org"), &other)
        let restarted = try Scene(Self.base, &other).policy
        #expect(first.endpoints.map(\.fingerprint) == again.endpoints.map(\.fingerprint))
        #expect(first.endpoints.map(\.fingerprint) == restarted.endpoints.map(\.fingerprint))
        #expect(again.version > first.version)
        #expect(Set(first.endpoints.map(\.fingerprint)).count == 4)
    }

    @Test(arguments: [
        // what is replaced, by what, and for whom policy changes
        ("order: 10\n", "order: 11\n", []), ("order: 20", "order: 5", ["db"]),
        ("metadata: {name: names}", "metadata: {name: names, annotations: {a.example.org/b: c}}", []),
        ("[80, 443]", "[443]", ["web", "db"]), ("[80, 443]", "[443, 80]", ["web", "db"]),
        ("www.example.org", "ftp.example.org", ["web", "db"]),
        ("[www.example.org]", "[WWW.example.org.]", []), ("[203.0.113.0/24]", "[203.0.113.0/25]", ["db", "job"]),
        ("[203.0.113.0/24]", "[203.0.113.0/24, 203.0.113.7/32]", []), ("[api.example.org]", "[api.example.net]", ["db", "job"]),
        (", allowedEgressDomains: [api.example.org]", "", ["db", "job"]), ("defaultAction: Pass", "defaultAction: Deny", ["web"]),
        ("action: Deny,", "action: Pass,", ["web"]), ("{role: partner}", "{role: other}", ["db", "job"]),
        ("192.0.2.66/32", "192.0.2.67/32", ["web"]), ("protocol: TCP", "protocol: UDP", ["web", "db"]),
        ("in {\"db\", \"job\"}", "in {\"db\", \"job\", \"web\"}", ["web"]), ("in {\"db\", \"job\"}", "== \"db\"", ["job"]),
    ])
    func `a change of policy changes the fingerprints of those whom it concerns`(row: (old: String, new: String, changed: [String])) throws
    {
        let changed = Self.base.replacing(row.old, with: row.new, maxReplacements: 1)
        try #require(changed != Self.base)
        let (before, after) = (try Self.fingerprints(Self.base), try Self.fingerprints(changed))
        #expect(Set(before.keys.filter { before[$0] != after[$0] }) == Set(row.changed), "\(row)")
    }

    @Test(arguments: [
        ("labels: {app: db}", "labels: {app: web}", ["db"]), ("labels: {app: db}", "labels: {app: db, more: x}", []),
        ("labels: {app: idle}", "labels: {app: job}", ["idle"]), ("198.51.100.2/32", "198.51.100.9/32", []),
        ("labels: {app: idle}", "labels: {app: idle, role: partner}", ["db", "job"]),
    ])
    func `a change of an endpoint changes its own policy and that of rules which select it`(
        row: (old: String, new: String, changed: [String])
    ) throws {
        let changed = Scene.endpoints.replacing(row.old, with: row.new)
        try #require(changed != Scene.endpoints)
        let (before, after) = (try Self.fingerprints(Self.base), try Self.fingerprints(Self.base, endpoints: changed))
        #expect(Set(before.keys.filter { before[$0] != after[$0] }) == Set(row.changed), "\(row)")
    }

    @Test func `what happens to unselected endpoints belongs to their policy alone`() throws {
        let (open, closed) = (try Self.fingerprints(Self.base), try Self.fingerprints(Self.base, unselectedAllowed: false))
        #expect(open.keys.filter { open[$0] != closed[$0] } == ["idle"])
    }

    @Test(arguments: [
        ("ports: [80, 90]", "ports: [80], notPorts: [90]"), ("ports: [80]", "notPorts: [80]"),
        ("nets: [192.0.2.0/24]", "notNets: [192.0.2.0/24]"),
        ("domains: [a.example.org, b.example.org]", "domains: [a.example.org]"),
        ("nets: [192.0.2.0/32, 192.0.2.2/32]", "nets: [192.0.2.0/30]"),
        ("selector: has(role)", "notSelector: has(role)"), ("selector: has(role)", "nets: [203.0.113.0/24]"),
    ])
    func `lists of different fields are different policies`(row: (String, String)) throws {
        func text(_ destination: String) -> String {
            """
            apiVersion: projectcalico.org/v3
            kind: GlobalNetworkPolicy
            metadata: {name: p}
            spec: {types: [Egress], egress: [{action: Allow, protocol: TCP, destination: {\(destination)}}]}
            """
        }
        let one = try Self.fingerprints(text(row.0))
        let other = try Self.fingerprints(text(row.1))
        #expect(one["web"] != other["web"])
    }
}
