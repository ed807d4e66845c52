import Foundation
import Testing

extension CommandLineTests {
    @Suite(.serialized) struct ExplainTests {
        /// The shipped policies, one more with prefixes, and three endpoints.
        let folder: TemporaryFolder

        init() throws {
            folder = try TemporaryFolder()
            try folder.copy("config/policies", to: "policies")
            try folder.write(
                """
                apiVersion: projectcalico.org/v3
                kind: NetworkPolicy
                metadata: {name: archive, namespace: default}
                spec:
                  order: 200
                  selector: app == 'archive'
                  types: [Egress]
                  egress:
                    - {action: Allow, protocol: TCP, destination: {nets: ["2001:db8::/32"], ports: [443]}}
                    - {action: Allow, protocol: UDP, destination: {nets: ["198.51.100.0/24"], ports: ["5000:5010"]}}
                    - {action: Allow, protocol: ICMP, destination: {nets: ["198.51.100.0/24"]}}
                """, to: "policies/40-archive.yaml")
            let endpoints = [("shop-1", "default", "shop", 2), ("archive-1", "default", "archive", 3), ("guest", "other", "guest", 4)]
            try folder.write(
                endpoints.map { name, namespace, app, number in
                    """
                    apiVersion: projectcalico.org/v3
                    kind: WorkloadEndpoint
                    metadata: {name: \(name), namespace: \(namespace), labels: {app: \(app)}}
                    spec: {interfaceName: cali\(number), ipNetworks: ["10.65.0.\(number)/32", "fd00:65::\(number)/128"]}

                    """
                }.joined(separator: "---\n"), to: "endpoints/pods.yaml")
        }

        func explain(_ from: String, _ to: String, _ more: String...) throws -> Program.Result {
            try Program.run(
                ["explain", "--policies", folder.path + "/policies", "--policies", folder.path + "/endpoints", "--from", from, "--to", to]
                    + more)
        }

        struct Row: Sendable, CustomTestStringConvertible {
            let from: String
            let to: String
            var transport = "tcp"
            let status: Int32
            let reason: String
            /// Stands in the line of the rule; nil: there is none.
            let rule: String?
            var testDescription: String { "\(from) to \(to) \(transport)" }
        }

        static let rows = [
            Row(
                from: "default/shop-1", to: "api.example.org", status: 0, reason: "policy_allow",
                rule: "default|default/shop|egress[0]|Allow"),
            Row(
                from: "default/shop-1", to: "API.Example.ORG.:443", status: 0, reason: "policy_allow",
                rule: "default|default/shop|egress[0]|Allow"),
            Row(from: "default/shop-1", to: "a.b.cdn.example.net:80", status: 0, reason: "policy_allow", rule: "default/shop"),
            Row(
                from: "default/shop-1", to: "cdn.example.net:80", status: 3, reason: "name_not_allowed",
                rule: "default|default-action|-|Deny"),
            Row(from: "default/shop-1", to: "api.example.org:7", status: 3, reason: "tier_default_deny", rule: "default-action"),
            Row(
                from: "default/shop-1", to: "api.example.org:443", transport: "udp", status: 3, reason: "tier_default_deny",
                rule: "default-action"),
            Row(from: "default/shop-1", to: "192.0.2.10:443", status: 3, reason: "address_not_resolved", rule: "default-action"),
            Row(from: "default/shop-1", to: "[2001:db8::10]:443", status: 3, reason: "address_not_resolved", rule: "default-action"),
            Row(
                from: "default/shop-1", to: "169.254.169.254", status: 3, reason: "policy_deny",
                rule: "security|security.blocked-networks|egress[0]|Deny"),
            Row(
                from: "default/archive-1", to: "[2001:db8::10]:443", status: 0, reason: "policy_allow",
                rule: "default|default/archive|egress[0]|Allow"),
            Row(from: "default/archive-1", to: "2001:db8::10", status: 0, reason: "policy_allow", rule: "default/archive|egress[0]"),
            Row(from: "default/archive-1", to: "[2001:db8::10]:80", status: 3, reason: "tier_default_deny", rule: "default-action"),
            Row(
                from: "default/archive-1", to: "198.51.100.7:5010", transport: "udp", status: 0, reason: "policy_allow", rule: "egress[1]"),
            Row(
                from: "default/archive-1", to: "198.51.100.7:5011", transport: "UDP", status: 3, reason: "tier_default_deny",
                rule: "default-action"),
            Row(from: "default/archive-1", to: "198.51.100.7", transport: "icmp", status: 0, reason: "policy_allow", rule: "egress[2]"),
            Row(from: "default/archive-1", to: "198.51.100.7", transport: "1", status: 0, reason: "policy_allow", rule: "egress[2]"),
            Row(from: "other/guest", to: "api.example.org", status: 0, reason: "no_policy", rule: nil),
            Row(from: "other/guest", to: "169.254.169.254", status: 3, reason: "policy_deny", rule: "security.blocked-networks"),
        ]

        @Test(arguments: rows)
        func `a verdict comes with its reason, its rule and the way there`(_ row: Row) throws {
            let text = try explain(row.from, row.to, "--protocol", row.transport)
            #expect(text.status == row.status, "\(text.output)\(text.errors)")
            #expect(text.lines.first == "\(row.status == 0 ? "allow" : "deny"): \(row.reason)")
            let ruleLine = text.lines.first { $0.hasPrefix("rule: ") }
            #expect((ruleLine == nil) == (row.rule == nil))
            if let rule = row.rule { #expect(ruleLine?.contains(rule) == true, "\(text.output)") }

            let json = try explain(row.from, row.to, "--protocol", row.transport, "--json")
            #expect(json.status == row.status)
            let object = try #require(try json.objects().first)
            #expect(object["verdict"] as? String == (row.status == 0 ? "allow" : "deny"))
            #expect(object["reason"] as? String == row.reason)
            #expect(object["from"] as? String == row.from)
            #expect(object["to"] as? String == row.to)
            #expect((object["rule"] as? String).map { "rule: \($0)" } == ruleLine?.components(separatedBy: " at ").first)
            let trace = try #require(object["trace"] as? [String])
            #expect(text.lines.filter { $0.hasPrefix("  ") }.map { String($0.dropFirst(2)) } == trace)
            #expect(!trace.isEmpty)
        }

        @Test func `the rule's place in its file, the pattern and every rule that was tried are told`() throws {
            let result = try explain("default/shop-1", "x.cdn.example.net:443")
            #expect(result.output.contains("|Allow at \(folder.path)/policies/30-shop.yaml:12:7\n"), "\(result.output)")
            #expect(result.lines.contains("matched: *.cdn.example.net by the name x.cdn.example.net"))
            let trace = result.lines.filter { $0.hasPrefix("  ") }.map { $0.dropFirst(2) }
            let expected = [
                "query for x.cdn.example.net: answered; matched by *.cdn.example.net", "tier security: counts",
                "policy security.blocked-networks: selects the endpoint", "security|security.blocked-networks|egress[0]|Deny: no match: ",
                "security|default-action|-|Pass: no rule of the tier matched, on to the next tier", "tier default: counts",
                "policy default/shop: selects the endpoint, 1 of 2", "default|default/shop|egress[0]|Allow: match by *.cdn.example.net",
            ]
            #expect(trace.count == expected.count && zip(trace, expected).allSatisfy { $0.hasPrefix($1) }, "\(result.output)")
        }

        @Test func `an address counts under the names that the endpoint has resolved it by`() throws {
            let rows: [(names: [String], status: Int32, reason: String)] = [
                (["api.example.org"], 0, "policy_allow"), (["www.example.org"], 3, "name_not_allowed"),
                (["www.example.org", "a.cdn.example.net"], 0, "policy_allow"), ([], 3, "address_not_resolved"),
            ]
            for row in rows {
                var arguments = [
                    "explain", "--policies", folder.path + "/policies", "--policies", folder.path + "/endpoints", "--from",
                    "default/shop-1",
                    "--to", "192.0.2.10:443", "--json",
                ]
                for name in row.names { arguments += ["--resolved", name] }
                let result = try Program.run(arguments)
                #expect(result.status == row.status)
                #expect(try result.objects().first?["reason"] as? String == row.reason, "\(row.names)")
            }
            #expect(try explain("default/shop-1", "api.example.org", "--resolved", "www.example.org").status == 1)
        }

        @Test func `a name whose query is refused is denied with the rule that refuses it`() throws {
            try folder.write(
                """
                apiVersion: projectcalico.org/v3
                kind: GlobalNetworkPolicy
                metadata: {name: no-updates, annotations: {exeat.io/deny-domains: "true"}}
                spec:
                  order: 1
                  types: [Egress]
                  egress:
                    - {action: Deny, destination: {domains: ["*.updates.example.org"]}}
                ---
                apiVersion: projectcalico.org/v3
                kind: NetworkPolicy
                metadata: {name: payments, namespace: default, annotations: {exeat.io/exclusive: "true"}}
                spec:
                  order: 2
                  selector: app == 'archive'
                  types: [Egress]
                  egress:
                    - {action: Allow, destination: {domains: [pay.example.org]}}
                """, to: "policies/05-names.yaml")
            let denied = try explain("other/guest", "a.updates.example.org", "--json")
            #expect(denied.status == 3, "\(denied.output)\(denied.errors)")
            let object = try #require(try denied.objects().first)
            #expect(object["reason"] as? String == "policy_deny")
            #expect(object["dns"] as? String == "refused")
            #expect(object["rule"] as? String == "default|no-updates|egress[0]|Deny")

            let exclusive = try #require(try explain("default/shop-1", "pay.example.org", "--json").objects().first)
            #expect(exclusive["reason"] as? String == "exclusive_name", "\(exclusive)")
            #expect(exclusive["rule"] as? String == "default|default/payments|exclusive|Deny")
            #expect(try explain("default/archive-1", "pay.example.org").status == 0)
        }

        @Test func `options stand for the configuration`() throws {
            #expect(try explain("other/guest", "www.example.org").lines.first == "allow: no_policy")
            #expect(try explain("other/guest", "www.example.org", "--unselected", "deny").status == 3)
            // The shop's names are the shop's alone.
            let exclusive = try explain("other/guest", "api.example.org", "--exclusive-domains")
            #expect(exclusive.status == 3 && exclusive.lines.first == "deny: exclusive_name", "\(exclusive.output)")
        }

        @Test func `of several FelixConfigurations that of the node counts`() throws {
            try folder.write(
                """
                apiVersion: projectcalico.org/v3
                kind: HostEndpoint
                metadata: {name: all}
                spec: {node: this, interfaceName: "*", expectedIPs: [192.0.2.200]}
                """, to: "endpoints/host.yaml")
            // The first is another node's, and `first` would take it.
            try folder.write(
                [("node.another", 9_001), ("default", 9_002), ("node.this", 9_003)].map { name, port in
                    """
                    apiVersion: projectcalico.org/v3
                    kind: FelixConfiguration
                    metadata: {name: \(name)}
                    spec:
                      failsafeOutboundHostPorts: [{protocol: tcp, port: \(port)}]
                      failsafeInboundHostPorts: [{protocol: tcp, port: \(port)}]

                    """
                }.joined(separator: "---\n"), to: "policies/60-felix.yaml")
            func isAllowed(_ port: Int, _ more: String...) throws -> [Bool] {
                let common = ["explain", "--policies", folder.path + "/policies", "--policies", folder.path + "/endpoints"] + more
                let out = try Program.run(common + ["--from", "hostendpoint:all", "--to", "198.51.100.7:\(port)"])
                let into = try Program.run(
                    common + ["--direction", "ingress", "--from", "198.51.100.7", "--to", "hostendpoint:all:\(port)"])
                return [out.status == 0, into.status == 0]
            }
            #expect(try [9_001, 9_002, 9_003].map { try isAllowed($0) } == [[false, false], [true, true], [false, false]])
            #expect(
                try [9_001, 9_002, 9_003].map { try isAllowed($0, "--node", "this") } == [[false, false], [false, false], [true, true]])
        }

        @Test func `ingress, ICMP types, staged policies and endpoints as destination are explained`() throws {
            try folder.write(
                """
                apiVersion: projectcalico.org/v3
                kind: NetworkPolicy
                metadata: {name: in, namespace: default}
                spec:
                  selector: app == 'archive'
                  types: [Ingress]
                  ingress:
                    - {action: Allow, protocol: TCP, source: {selector: app == 'shop'}, destination: {ports: [80]}}
                    - {action: Allow, protocol: ICMP, icmp: {type: 8}}
                ---
                apiVersion: projectcalico.org/v3
                kind: StagedGlobalNetworkPolicy
                metadata: {name: close}
                spec: {selector: app == 'guest', types: [Egress]}
                """, to: "policies/60-in.yaml")
            let inside = try explain("default/shop-1", "default/archive-1:80", "--direction", "ingress")
            #expect(
                inside.lines.prefix(2).joined(separator: " ").hasPrefix("allow: policy_allow rule: default|default/in|ingress[0]|Allow at ")
            )
            #expect(inside.output.contains("flow: 10.65.0.2 -> 10.65.0.3 TCP 80"))
            #expect(try explain("default/shop-1", "default/archive-1:81", "--direction", "ingress").status == 3)
            #expect(try explain("192.0.2.1", "default/archive-1:80", "--direction", "ingress").status == 3)
            #expect(
                try explain("192.0.2.1", "default/archive-1", "--direction", "ingress", "--protocol", "icmp", "--icmp", "8/0").status == 0)
            #expect(
                try explain("192.0.2.1", "default/archive-1", "--direction", "ingress", "--protocol", "icmp", "--icmp", "13").status == 3)
            #expect(try explain("www.example.org", "default/archive-1", "--direction", "ingress").status == 1)
            #expect(try explain("default/shop-1", "192.0.2.1", "--icmp", "8").status == 1)

            let staged = try explain("other/guest", "default/shop-1:443")
            #expect(staged.status == 0)
            #expect(staged.output.contains("flow: 10.65.0.4 -> 10.65.0.2 TCP 443"))
            #expect(
                staged.lines.contains { $0.hasPrefix("staged: deny: tier_default_deny by default|default-action|-|Deny") },
                "\(staged.output)")
        }

        @Test func `a question that cannot be answered is an error with a reason`() throws {
            let unknown = try explain("default/nobody", "api.example.org")
            #expect(unknown.status == 1)
            #expect(unknown.errors.contains("there is no endpoint default/nobody"))
            #expect(unknown.errors.contains("default/archive-1, default/shop-1, other/guest"))
            for bad in ["api.example.org:99999", "api.example.org:0", "[2001:db8::1", "[2001:db8::1]443", "api..example.org"] {
                let result = try explain("default/shop-1", bad)
                #expect(result.status == 1, "\(bad)")
                #expect(!result.errors.isEmpty && result.output.isEmpty, "\(bad)")
            }
            #expect(try explain("default/shop-1", "api.example.org", "--protocol", "tpc").status == 1)
            try folder.write(CheckTests.policy("  tier: absent\n"), to: "policies/99.yaml")
            let refused = try explain("default/shop-1", "api.example.org")
            #expect(refused.status == 1)
            #expect(refused.errors.contains("policies/99.yaml:5:9: error: spec.tier: "))
        }
    }
}
