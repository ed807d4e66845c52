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

        @Test func `the rule's place in its file and every rule that was tried are told`() throws {
            let result = try explain("default/shop-1", "api.example.org:443")
            #expect(result.output.contains("|Allow at \(folder.path)/policies/30-shop.yaml:12:7\n"), "\(result.output)")
            #expect(
                result.lines.suffix(3) == [
                    "  security|security.blocked-networks|egress[0]|Deny: no match",
                    "  security|default-action|-|Pass: no rule of the tier matched, on to the next tier",
                    "  default|default/shop|egress[0]|Allow: match",
                ])
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
