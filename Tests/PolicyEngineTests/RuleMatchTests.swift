import PolicyEngine
import Testing

/// The criteria of one rule, each by itself and together: the rule is an Allow, all else is denied by the tier.
struct RuleMatchTests {
    private static func scene(_ rule: String, more: String = "") throws -> Scene {
        let indented = rule.split(separator: "\n").map { "      \($0)" }.joined(separator: "\n")
        return try Scene(
            """
            apiVersion: projectcalico.org/v3
            kind: GlobalNetworkPolicy
            metadata: {name: p}
            spec:
              selector: app in {"web", "db"}
              types: [Egress]
              egress:
                -
            \(indented)
            \(more)
            """)
    }

    @Test(arguments: [
        ("protocol: TCP", "web 192.0.2.1 tcp 1 | db 2.2.2.2 tcp 65535", "web 192.0.2.1 udp 1 | web 192.0.2.1 icmp 0"),
        ("protocol: 47", "web 192.0.2.1 gre 0", "web 192.0.2.1 tcp 1"),
        ("notProtocol: UDP", "web 192.0.2.1 tcp 1 | web 192.0.2.1 icmp 0", "web 192.0.2.1 udp 1"),
        ("ipVersion: 6", "web 2001:db8::1 udp 1", "web 192.0.2.1 udp 1"),
        ("ipVersion: 4", "web 192.0.2.1 udp 1", "web 2001:db8::1 udp 1"),
        (
            "protocol: TCP\ndestination: {ports: [443, \"8000:8002\"]}",
            "web 192.0.2.1 tcp 443 | web 192.0.2.1 tcp 8000 | web 192.0.2.1 tcp 8002",
            "web 192.0.2.1 tcp 442 | web 192.0.2.1 tcp 444 | web 192.0.2.1 tcp 7999 | web 192.0.2.1 tcp 8003 | web 192.0.2.1 udp 443"
        ),
        (
            "protocol: UDP\ndestination: {notPorts: [53, \"8000:8002\"]}", "web 192.0.2.1 udp 54 | web 192.0.2.1 udp 8003",
            "web 192.0.2.1 udp 53 | web 192.0.2.1 udp 8001 | web 192.0.2.1 tcp 54"
        ),
        (
            "protocol: TCP\ndestination: {ports: [\"1:100\"], notPorts: [53]}", "web 192.0.2.1 tcp 52 | web 192.0.2.1 tcp 54",
            "web 192.0.2.1 tcp 53 | web 192.0.2.1 tcp 101"
        ),
        ("protocol: TCP\nsource: {ports: [1000]}", "web:1000 192.0.2.1 tcp 1", "web:1001 192.0.2.1 tcp 1"),
        ("protocol: TCP\nsource: {notPorts: [1000]}", "web:1001 192.0.2.1 tcp 1", "web:1000 192.0.2.1 tcp 1"),
        (
            "destination: {nets: [192.0.2.0/25, 192.0.2.64/26, 203.0.113.9/32]}",
            "web 192.0.2.0 tcp 1 | web 192.0.2.127 tcp 1 | web 203.0.113.9 icmp 0",
            "web 192.0.1.255 tcp 1 | web 192.0.2.128 tcp 1 | web 203.0.113.8 tcp 1 | web 203.0.113.10 tcp 1 | web 2001:db8::1 tcp 1"
        ),
        (
            "destination: {nets: [\"2001:db8::/63\", \"2001:db8:1::/96\"]}",
            "web 2001:db8::1 tcp 1 | web 2001:db8:0:1:ffff:ffff:ffff:ffff tcp 1 | web 2001:db8:1::ffff:ffff tcp 1",
            "web 2001:db8:0:2:: tcp 1 | web 2001:db8:1::1:0:0 tcp 1 | web 192.0.2.1 tcp 1"
        ),
        ("destination: {nets: [0.0.0.0/0]}", "web 0.0.0.1 tcp 1 | web 255.255.255.254 tcp 1", "web 2001:db8::1 tcp 1"),
        ("destination: {nets: [\"::/0\"]}", "web ::1 tcp 1 | web ffff:: tcp 1", "web 192.0.2.1 tcp 1"),
        (
            "destination: {notNets: [192.0.2.0/24, 192.0.4.0/24]}", "web 192.0.3.0 tcp 1 | web 192.0.5.0 tcp 1",
            "web 192.0.2.255 tcp 1 | web 192.0.4.0 tcp 1"
        ),
        ("destination: {notNets: [\"2001:db8::/32\"]}", "web 2001:db9:: tcp 1", "web 2001:db8:ffff:: tcp 1"),
        (
            "destination: {nets: [192.0.2.0/24], notNets: [192.0.2.64/26]}", "web 192.0.2.63 tcp 1 | web 192.0.2.128 tcp 1",
            "web 192.0.2.64 tcp 1 | web 192.0.2.127 tcp 1 | web 192.0.3.1 tcp 1"
        ),
        ("source: {nets: [198.51.100.1/32]}", "web 192.0.2.1 tcp 1", "db 192.0.2.1 tcp 1"),
        ("source: {notNets: [198.51.100.1/32]}", "db 192.0.2.1 tcp 1", "web 192.0.2.1 tcp 1"),
        ("source: {selector: app == \"web\"}", "web 192.0.2.1 tcp 1", "db 192.0.2.1 tcp 1"),
        ("source: {notSelector: app == \"web\"}", "db 192.0.2.1 tcp 1", "web 192.0.2.1 tcp 1"),
        ("source: {namespaceSelector: projectcalico.org/name == \"batch\"}", "", "web 192.0.2.1 tcp 1 | db 192.0.2.1 tcp 1"),
        (
            "destination: {selector: app == \"job\" || app == \"web\"}",
            "web 198.51.100.3 tcp 1 | db 198.51.100.1 tcp 1 | web 2001:db8:64::1 tcp 1", "web 198.51.100.2 tcp 1 | web 198.51.100.5 tcp 1"
        ),
        ("destination: {selector: app == \"nothing\"}", "", "web 198.51.100.2 tcp 1"),
        ("destination: {notSelector: app == \"job\"}", "web 198.51.100.2 tcp 1 | web 192.0.2.1 tcp 1", "web 198.51.100.3 tcp 1"),
        (
            "destination: {selector: has(app), notSelector: app == \"job\"}", "web 198.51.100.2 tcp 1",
            "web 198.51.100.3 tcp 1 | web 192.0.2.1 tcp 1"
        ),
        (
            "destination: {domains: [api.example.org, \"*.cdn.example.net\"]}",
            "web 192.0.2.1 tcp 1 as api.example.org | web 192.0.2.1 udp 9 as a.b.cdn.example.net | web 2001:db8::1 tcp 1 as API.example.org.",
            "web 192.0.2.1 tcp 1 | web 192.0.2.1 tcp 1 as cdn.example.net | web 192.0.2.1 tcp 1 as www.example.org"
        ),
        (
            "protocol: TCP\ndestination: {domains: [api.example.org], ports: [443]}",
            "web 192.0.2.1 tcp 443 as x.example.test api.example.org",
            "web 192.0.2.1 tcp 80 as api.example.org | web 192.0.2.1 udp 443 as api.example.org"
        ),
    ])
    func `a rule matches when all of its criteria hold`(row: (rule: String, allowed: String, denied: String)) throws {
        let scene = try Self.scene("action: Allow\n" + row.rule)
        for flow in row.allowed.split(separator: "|") { try scene.check("\(flow) -> policy_allow default|p|egress[0]|Allow", row.rule) }
        for flow in row.denied.split(separator: "|") {
            let decided = try scene.decide(String(flow))
            #expect(
                decided.hasPrefix("tier_default_deny") || decided.hasPrefix("address_not_resolved")
                    || decided.hasPrefix("name_not_allowed"), "\(row.rule): \(flow) -> \(decided)")
        }
    }

    private static let sets = """
        ---
        apiVersion: projectcalico.org/v3
        kind: GlobalNetworkSet
        metadata: {name: everywhere, labels: {role: partner, kind: global}}
        spec: {nets: [203.0.113.0/24], allowedEgressDomains: [api.example.org]}
        ---
        apiVersion: projectcalico.org/v3
        kind: NetworkSet
        metadata: {name: here, namespace: default, labels: {role: partner}}
        spec: {nets: [192.0.2.0/28], allowedEgressDomains: ["*.example.net"]}
        ---
        apiVersion: projectcalico.org/v3
        kind: NetworkSet
        metadata: {name: there, namespace: batch, labels: {role: partner}}
        spec: {nets: [192.0.2.16/28], allowedEgressDomains: [files.example.test]}
        """

    @Test func `a global policy selects sets of every scope by addresses and by names`() throws {
        try Self.scene("{action: Allow, destination: {selector: role == \"partner\"}}", more: Self.sets).check(
            """
            web 203.0.113.7 tcp 1 -> policy_allow
            web 192.0.2.1 tcp 1 -> policy_allow
            web 192.0.2.17 tcp 1 -> policy_allow
            web 192.0.2.99 tcp 1 as api.example.org -> policy_allow
            web 192.0.2.99 tcp 1 as a.example.net -> policy_allow
            web 192.0.2.99 tcp 1 as files.example.test -> policy_allow
            web 192.0.2.99 tcp 1 as www.example.org -> name_not_allowed
            web 192.0.2.99 tcp 1 -> address_not_resolved default|default-action|-|Deny
            """)
    }

    @Test func `a policy with a namespace selects that namespace's sets, global ones only by global()`() throws {
        let yaml = """
            apiVersion: projectcalico.org/v3
            kind: NetworkPolicy
            metadata: {name: p, namespace: default}
            spec:
              types: [Egress]
              egress:
                - {action: Allow, protocol: TCP, destination: {selector: role == "partner"}}
                - {action: Allow, protocol: UDP, destination: {selector: role == "partner", namespaceSelector: global()}}
            """
        try Scene(yaml + "\n" + Self.sets).check(
            """
            web 192.0.2.1 tcp 1 -> policy_allow default|default/p|egress[0]|Allow
            web 192.0.2.17 tcp 1 -> address_not_resolved
            web 203.0.113.7 tcp 1 -> address_not_resolved
            web 192.0.2.99 tcp 1 as a.example.net -> policy_allow
            web 192.0.2.99 tcp 1 as files.example.test -> name_not_allowed
            web 192.0.2.99 tcp 1 as api.example.org -> name_not_allowed
            web 203.0.113.7 udp 1 -> policy_allow default|default/p|egress[1]|Allow
            web 192.0.2.99 udp 1 as api.example.org -> policy_allow
            web 192.0.2.1 udp 1 -> address_not_resolved
            """)
    }

    @Test func `Deny and Pass ignore the names of sets`() throws {
        for (action, hit) in [("Deny", "policy_deny"), ("Pass", "no_policy")] {
            try Self.scene("{action: \(action), destination: {selector: role == \"partner\"}}", more: Self.sets).check(
                """
                web 203.0.113.7 tcp 1 -> \(hit)
                web 192.0.2.99 tcp 1 as api.example.org -> tier_default_deny
                """, action)
        }
    }

    @Test func `a name of a set keeps out of an Allow with notSelector and frees from no Deny`() throws {
        let allow = "{action: Allow, destination: {notSelector: role == \"partner\"}}"
        try Self.scene(allow, more: Self.sets).check(
            """
            web 192.0.2.99 tcp 1 -> policy_allow
            web 192.0.2.99 tcp 1 as api.example.org -> tier_default_deny
            web 203.0.113.7 tcp 1 -> tier_default_deny
            """)
        try Self.scene(allow.replacing("Allow", with: "Deny"), more: Self.sets).check(
            """
            web 192.0.2.99 tcp 1 -> policy_deny
            web 192.0.2.99 tcp 1 as api.example.org -> policy_deny
            web 203.0.113.7 tcp 1 -> tier_default_deny
            """)
    }

    @Test func `the reason says when only the name was missing`() throws {
        let yaml = """
            apiVersion: projectcalico.org/v3
            kind: GlobalNetworkPolicy
            metadata: {name: p}
            spec:
              selector: app == "web"
              types: [Egress]
              egress:
                - {action: Allow, protocol: TCP, destination: {domains: [api.example.org], ports: [443]}}
                - {action: Deny, destination: {nets: [203.0.113.0/24]}}
            """
        try Scene(yaml).check(
            """
            web 192.0.2.1 tcp 443 -> address_not_resolved default|default-action|-|Deny
            web 192.0.2.1 tcp 443 as www.example.org -> name_not_allowed
            web 192.0.2.1 tcp 80 -> tier_default_deny
            web 203.0.113.1 tcp 443 -> policy_deny default|p|egress[1]|Deny
            """)
    }

    @Test func `the decision tells the pattern by which the name matched`() throws {
        let scene = try Self.scene("{action: Allow, destination: {domains: [api.example.org]}}")
        let (position, flow, bindings) = try scene.read("web 192.0.2.1 tcp 443 as api.example.org")
        let decision = scene.policy.evaluate(endpoint: position, flow, bindings: bindings)
        #expect(scene.policy.pattern(decision.pattern)?.description == "api.example.org")
        #expect(decision.pattern != anyName)
    }
}
