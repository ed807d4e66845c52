import NetworkTypes
import PolicyEngine
import Testing

struct BuiltInRuleTests {
    private static let policy = """
        apiVersion: projectcalico.org/v3
        kind: GlobalNetworkPolicy
        metadata: {name: wide}
        spec: {selector: 'app in {"web", "db"}', types: [Egress], egress: [{action: Allow}]}
        ---
        apiVersion: projectcalico.org/v3
        kind: HostEndpoint
        metadata: {name: node}
        spec: {interfaceName: eth0, node: node, expectedIPs: [198.51.100.9]}
        """

    private static let rules = BuiltInRules(
        dnsOverHTTPSAddresses: Set(["192.0.2.8", "192.0.2.9", "2001:db8::8"].compactMap { IPAddress(parsing: $0) }),
        resolvers: Set(["192.0.2.53"].compactMap { IPAddress(parsing: $0) }))

    private static func scene(_ rules: BuiltInRules) throws -> Scene {
        var compiler = PolicyCompiler(PolicyOptions(builtIns: rules))
        return try Scene(policy, &compiler)
    }

    @Test func `ways to resolve names elsewhere are refused ahead of policy, each by its own name`() throws {
        try Self.scene(Self.rules).check(
            """
            web 192.0.2.1 tcp 853 -> builtin_dot
            web 2001:db8::1 tcp 853 -> builtin_dot
            web 192.0.2.1 udp 853 -> builtin_doq
            web 192.0.2.8 tcp 443 -> builtin_doh
            web 2001:db8::8 udp 443 -> builtin_doh
            web 192.0.2.10 tcp 443 -> policy_allow default|wide|egress[0]|Allow
            web 192.0.2.8 tcp 80 -> policy_allow default|wide|egress[0]|Allow
            web 192.0.2.8 sctp 853 -> policy_allow default|wide|egress[0]|Allow
            web 192.0.2.1 udp 53 -> builtin_foreign_dns
            web 192.0.2.1 tcp 53 -> builtin_foreign_dns
            web 192.0.2.53 udp 53 -> policy_allow default|wide|egress[0]|Allow
            web 192.0.2.53 tcp 853 -> builtin_dot
            job 192.0.2.1 tcp 853 -> no_policy
            """)
    }

    @Test func `each rule has its switch`() throws {
        let flows = ["192.0.2.1 tcp 853", "192.0.2.1 udp 853", "192.0.2.8 tcp 443", "192.0.2.1 udp 53"]
        let off: [(inout BuiltInRules) -> Void] = [
            { $0.refusesDNSOverTLS = false }, { $0.refusesDNSOverQUIC = false }, { $0.dnsOverHTTPSAddresses = [] }, { $0.resolvers = nil },
        ]
        let reasons = ["builtin_dot", "builtin_doq", "builtin_doh", "builtin_foreign_dns"]
        for place in off.indices {
            var rules = Self.rules
            off[place](&rules)
            let lines = flows.indices.map { index in
                "web \(flows[index]) -> " + (index == place ? "policy_allow default|wide|egress[0]|Allow" : reasons[index])
            }
            try Self.scene(rules).check(lines.joined(separator: "\n"))
        }
    }

    @Test func `a change of the built-in rules changes the fingerprint of every workload, and of no host`() throws {
        let before = try Self.scene(.none).policy.endpoints
        var seen: Set<UInt64> = []
        for rules in [BuiltInRules(), Self.rules, BuiltInRules(refusesDNSOverTLS: false), BuiltInRules(dnsOverHTTPSAddresses: [])] {
            let after = try Self.scene(rules).policy.endpoints
            for (old, new) in zip(before, after) { #expect((old.fingerprint == new.fingerprint) == new.isHost, "\(new.name)") }
            seen.insert(after[0].fingerprint)
        }
        #expect(seen.count == 4)
    }

    @Test func `the trace names the rule and its switch`() throws {
        let scene = try Self.scene(Self.rules)
        for (flow, line) in [
            ("web 192.0.2.1 tcp 853", "builtin:dot: match: DNS over TLS"), ("web 192.0.2.8 tcp 443", "builtin:doh: match: this address"),
            ("web 192.0.2.1 udp 53", "builtin:foreign-dns: match: DNS of policed"),
            ("db 192.0.2.1 udp 853", "builtin:doq: match: DNS over QUIC"),
        ] {
            let (position, tuple, bindings) = try scene.read(flow)
            let trace = scene.policy.explain(endpoint: position, tuple, bindings: bindings).trace
            #expect(trace.count == 1)
            #expect(trace.first?.description.hasPrefix(line) == true, "\(trace)")
        }
    }
}
