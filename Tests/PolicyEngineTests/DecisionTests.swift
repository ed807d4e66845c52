import PolicyEngine
import Testing

/// What policy text decides; each row is a text and the flows that tell its meaning.
struct DecisionTests {
    private static let tiers = """
        apiVersion: projectcalico.org/v3
        kind: Tier
        metadata: {name: zulu}
        spec: {order: 10, defaultAction: Pass}
        ---
        apiVersion: projectcalico.org/v3
        kind: Tier
        metadata: {name: alpha}
        spec: {order: 20}
        ---
        apiVersion: projectcalico.org/v3
        kind: GlobalNetworkPolicy
        metadata: {name: alpha.front}
        spec:
          tier: alpha
          selector: zone == "front"
          types: [Egress]
          egress:
            - {action: Allow, destination: {nets: [192.0.2.1/32]}}
            - {action: Deny, destination: {nets: [192.0.2.2/32]}}
            - {action: Pass, destination: {nets: [192.0.2.3/32, 192.0.2.4/32]}}
        ---
        apiVersion: projectcalico.org/v3
        kind: GlobalNetworkPolicy
        metadata: {name: zulu.all}
        spec:
          tier: zulu
          types: [Egress]
          egress:
            - {action: Deny, destination: {nets: [192.0.2.1/32]}}
            - {action: Pass, destination: {nets: [192.0.2.2/32]}}
            - {action: Deny, destination: {nets: [192.0.2.2/32]}}
        ---
        apiVersion: projectcalico.org/v3
        kind: GlobalNetworkPolicy
        metadata: {name: last}
        spec:
          selector: app in {"web", "db"}
          types: [Egress]
          egress:
            - {action: Allow, destination: {nets: [192.0.2.0/24]}}
            - {action: Pass, destination: {nets: [203.0.113.1/32]}}
        """

    @Test func `tiers decide in their order, each ends with its default action`() throws {
        try Scene(Self.tiers).check(
            """
            web 192.0.2.1 tcp 443 -> policy_deny zulu|zulu.all|egress[0]|Deny
            web 192.0.2.2 tcp 443 -> policy_deny alpha|alpha.front|egress[1]|Deny
            web 192.0.2.3 tcp 443 -> policy_allow default|last|egress[0]|Allow
            web 192.0.2.5 tcp 443 -> tier_default_deny alpha|default-action|-|Deny
            db 192.0.2.5 tcp 443 -> policy_allow default|last|egress[0]|Allow
            db 192.0.2.2 tcp 443 -> policy_allow default|last|egress[0]|Allow
            db 198.51.100.9 tcp 443 -> tier_default_deny default|default-action|-|Deny
            db 203.0.113.1 tcp 443 -> no_policy
            job 192.0.2.1 tcp 443 -> policy_deny zulu|zulu.all|egress[0]|Deny
            job 192.0.2.9 tcp 443 -> no_policy
            """)
    }

    @Test func `tiers of equal order go by name`() throws {
        try Scene(Self.tiers.replacing("order: 10,", with: "order: 20,")).check(
            """
            web 192.0.2.1 tcp 443 -> policy_allow alpha|alpha.front|egress[0]|Allow
            """)
    }

    private static func policy(_ name: String, order: String, _ action: String, kind: String = "GlobalNetworkPolicy") -> String {
        """
        apiVersion: projectcalico.org/v3
        kind: \(kind)
        metadata: {name: \(name)\(kind == "NetworkPolicy" ? ", namespace: default" : "")}
        spec: {\(order.isEmpty ? "" : "order: \(order), ")types: [Egress], egress: [{action: \(action)}]}
        """
    }

    @Test(arguments: [
        // name and order of an Allow, name and order of a Deny, and which goes first
        ("b", "1", "a", "2", "allow"), ("a", "2", "b", "1", "deny"), ("a", "5", "b", "5", "allow"), ("b", "5", "a", "5", "deny"),
        ("b", "1e6", "a", "", "allow"), ("a", "", "b", "", "allow"), ("b", "", "a", "", "deny"), ("b", "-1", "a", "0", "allow"),
        ("b", "1.25", "a", "1.5", "allow"),
    ])
    func `policies of a tier go by order, ties by name, those without order last`(row: (String, String, String, String, String)) throws {
        let (allowName, allowOrder, denyName, denyOrder, first) = row
        let texts = [Self.policy(allowName, order: allowOrder, "Allow"), Self.policy(denyName, order: denyOrder, "Deny")]
        // The place in the file is of no matter.
        for text in [texts, texts.reversed()] {
            try Scene(text.joined(separator: "\n---\n")).check("web 192.0.2.1 tcp 443 -> policy_\(first)", "\(row)")
        }
    }

    @Test func `Log goes on and Pass leaves the tier`() throws {
        let yaml = """
            apiVersion: projectcalico.org/v3
            kind: GlobalNetworkPolicy
            metadata: {name: a}
            spec:
              order: 1
              types: [Egress]
              egress:
                - {action: Log}
                - {action: Pass, protocol: UDP}
                - {action: Log, protocol: TCP}
            ---
            """
        try Scene(yaml + "\n" + Self.policy("b", order: "2", "Deny")).check(
            """
            web 192.0.2.1 tcp 443 -> policy_deny default|b|egress[0]|Deny
            web 192.0.2.1 udp 443 -> no_policy
            """)
    }

    @Test func `a policy with a namespace applies to that namespace and its selectors reach no further`() throws {
        let yaml = """
            apiVersion: projectcalico.org/v3
            kind: NetworkPolicy
            metadata: {name: p, namespace: default}
            spec:
              selector: app == "web"
              types: [Egress]
              egress:
                - {action: Allow, destination: {selector: has(app)}}
            ---
            apiVersion: projectcalico.org/v3
            kind: NetworkPolicy
            metadata: {name: p, namespace: batch}
            spec:
              types: [Egress]
              egress:
                - {action: Allow, destination: {namespaceSelector: projectcalico.org/name == "idle"}}
                - {action: Allow, destination: {selector: app == "job"}}
            """
        try Scene(yaml).check(
            """
            web 198.51.100.2 tcp 5432 -> policy_allow default|default/p|egress[0]|Allow
            web 198.51.100.3 tcp 5432 -> tier_default_deny
            db 198.51.100.3 tcp 5432 -> no_policy
            job 198.51.100.4 tcp 5432 -> policy_allow default|batch/p|egress[0]|Allow
            job 198.51.100.3 tcp 5432 -> policy_allow default|batch/p|egress[1]|Allow
            job 198.51.100.1 tcp 5432 -> tier_default_deny
            """)
    }

    @Test func `a global policy selects by labels and by namespace`() throws {
        let yaml = """
            apiVersion: projectcalico.org/v3
            kind: GlobalNetworkPolicy
            metadata: {name: p}
            spec:
              selector: app != "db"
              namespaceSelector: projectcalico.org/name in {"default", "batch"}
              types: [Egress]
              egress:
                - {action: Allow, destination: {selector: app == "db"}}
            """
        try Scene(yaml).check(
            """
            web 198.51.100.2 tcp 5432 -> policy_allow
            job 198.51.100.2 tcp 5432 -> policy_allow
            web 198.51.100.4 tcp 5432 -> tier_default_deny
            db 198.51.100.4 tcp 5432 -> no_policy
            idle 198.51.100.2 tcp 5432 -> no_policy
            """)
    }

    @Test func `policies for ingress alone leave egress open`() throws {
        let yaml = """
            apiVersion: projectcalico.org/v3
            kind: GlobalNetworkPolicy
            metadata: {name: p}
            spec: {types: [Ingress], ingress: [{action: Deny}]}
            """
        try Scene(yaml).check("web 192.0.2.1 tcp 443 -> no_policy")
        #expect(try !Scene(yaml).endpoint("web").isPoliced)
    }

    @Test func `an egress policy without rules denies`() throws {
        try Scene(
            """
            apiVersion: projectcalico.org/v3
            kind: GlobalNetworkPolicy
            metadata: {name: p}
            spec: {selector: app == "web", types: [Egress]}
            """
        ).check("web 192.0.2.1 tcp 443 -> tier_default_deny default|default-action|-|Deny")
    }

    @Test(arguments: [(true, "no_policy"), (false, "no_policy_deny")])
    func `what no tier decides is treated as configured where no profile is named`(row: (Bool, String)) throws {
        let scene = try Scene(
            Self.tiers.replacing("types: [Egress]", with: "types: [Egress]\n  namespaceSelector: projectcalico.org/name == 'default'"),
            unselectedAllowed: row.0)
        try scene.check(
            """
            idle 192.0.2.1 tcp 443 -> \(row.1)
            db 203.0.113.1 tcp 443 -> \(row.1)
            """)
        #expect(try scene.endpoint("idle").isPoliced == !row.0)
        #expect(try scene.endpoint("db").isPoliced)
    }
}
