import Foundation
import Testing

extension CommandLineTests {
    @Suite(.serialized) struct DiffTests {
        let folder: TemporaryFolder

        init() throws {
            folder = try TemporaryFolder()
            for name in ["old", "new"] { try folder.copy("config/policies", to: name) }
            try folder.write(
                [("shop-1", "default", "shop", 2), ("shop-2", "default", "shop", 3), ("guest", "other", "guest", 4)].map {
                    "apiVersion: projectcalico.org/v3\nkind: WorkloadEndpoint\nmetadata: {name: \($0), namespace: \($1), labels: {app: \($2)}}\n"
                        + "spec: {interfaceName: cali\($3), ipNetworks: [10.65.0.\($3)/32]}\n"
                }.joined(separator: "---\n"), to: "pods.yaml")
        }

        private func diff(_ arguments: String...) throws -> Program.Result {
            try Program.run(["diff", folder.path + "/old", folder.path + "/new", "--endpoints", folder.path + "/pods.yaml"] + arguments)
        }

        private func change(_ file: String, _ from: String, _ to: String) throws {
            let path = folder.path + "/new/" + file
            let text = try String(contentsOfFile: path, encoding: .utf8)
            #expect(text.contains(from))
            try folder.write(text.replacing(from, with: to), to: "new/" + file)
        }

        @Test func `equal folders change nothing, and neither does what decides the same in another way`() throws {
            let same = try diff()
            #expect(same.status == 0, "\(same.output)\(same.errors)")
            #expect(same.lines.count == 1 && same.output.hasPrefix("nothing changes; 3 endpoints and "))
            try change("30-shop.yaml", "name: shop", "name: store")
            try change("30-shop.yaml", "order: 100", "order: 50")
            #expect(try diff().status == 0)
        }

        struct Row: Sendable, CustomTestStringConvertible {
            let testDescription: String
            let file: String
            let from: String
            let to: String
            /// One line each, of both shops, in order.
            let changes: [String]
        }

        private static let allow = "allow (policy_allow default|default/shop|egress[0]|Allow)"
        private static func deny(_ reason: String) -> String { "deny (\(reason) default|default-action|-|Deny)" }

        static let rows = [
            Row(
                testDescription: "another name", file: "30-shop.yaml", from: "- api.example.org", to: "- www.example.org",
                changes: [
                    "api.example.org TCP 80, TCP 443: \(allow) -> \(deny("name_not_allowed"))",
                    "www.example.org TCP 80, TCP 443: \(deny("name_not_allowed")) -> \(allow)",
                ]),
            Row(
                testDescription: "a wider pattern", file: "30-shop.yaml", from: "- api.example.org",
                to: "- api.example.org\n          - \"*.example.org\"",
                changes: [
                    "sample.example.org (*.example.org) TCP 80, TCP 443: \(deny("name_not_allowed")) -> \(allow)",
                    "deep.sample.example.org (*.example.org) TCP 80, TCP 443: \(deny("name_not_allowed")) -> \(allow)",
                ]),
            Row(
                testDescription: "one port less", file: "30-shop.yaml", from: "[80, 443]", to: "[80]",
                changes: [
                    "sample.cdn.example.net (*.cdn.example.net) TCP 443: \(allow) -> \(deny("tier_default_deny"))",
                    "deep.sample.cdn.example.net (*.cdn.example.net) TCP 443: \(allow) -> \(deny("tier_default_deny"))",
                    "api.example.org TCP 443: \(allow) -> \(deny("tier_default_deny"))",
                ]),
        ]

        @Test(arguments: rows)
        func `a change is told once for all endpoints that it is the same for`(_ row: Row) throws {
            try change(row.file, row.from, row.to)
            let result = try diff()
            #expect(result.status == 1, "\(result.output)\(result.errors)")
            #expect(result.lines.dropLast() == row.changes.map { "default/shop-1, default/shop-2 -> \($0)" }[...], "\(result.output)")
            #expect(result.lines.last?.hasPrefix("\(row.changes.count * 2) changes of 2 endpoints; 3 endpoints and ") == true)

            let objects = try diff("--json", "--endpoint", "default/shop-2").objects()
            #expect(objects.count == row.changes.count + 1)
            #expect(objects.dropLast().allSatisfy { $0["endpoint"] as? String == "default/shop-2" && $0["change"] as? String == "verdict" })
            #expect(objects.last?["endpoints"] as? Int == 1 && (objects.last?["left_out"] as? [String])?.isEmpty == true)
            #expect(try diff("--endpoint", "other/guest").status == 0)
        }

        @Test func `nets change at their edges, and everything else as any other`() throws {
            try change("20-blocked-networks.yaml", "169.254.169.254/32", "169.254.0.0/16")
            let result = try diff("--endpoint", "other/guest")
            #expect(result.status == 1)
            #expect(result.lines.dropLast().allSatisfy { $0.contains("169.254.0.0 (169.254.0.0/16)") }, "\(result.output)")
            try folder.write(
                CheckTests.policy("  namespaceSelector: projectcalico.org/name == 'other'\n  types: [Egress]\n"), to: "new/closed.yaml")
            let closed = try diff("--endpoint", "other/guest").output
            for word in ["any other address", "any other name", "UDP other ports", "other protocols", "no_policy"] {
                #expect(closed.contains(word), "\(closed)")
            }
        }

        @Test func `endpoints that come or go are changes`() throws {
            try folder.write(
                "apiVersion: projectcalico.org/v3\nkind: WorkloadEndpoint\nmetadata: {name: late, namespace: default}\n"
                    + "spec: {interfaceName: cali9, ipNetworks: [10.65.0.9/32]}\n", to: "new/late.yaml")
            let result = try diff()
            #expect(result.status == 1)
            #expect(result.lines.first == "default/late: only in the new set")
            #expect(try diff("--json").objects().first?["change"] as? String == "added")
        }

        @Test func `a comparison that reached a bound never says that nothing changes`() throws {
            let rules = (0..<6).map { part in
                let ports = (1...50).map { "\((part * 50 + $0) * 3)" }.joined(separator: ", ")
                return "    - {action: Allow, protocol: TCP, destination: {nets: [198.51.100.0/24], ports: [\(ports)]}}\n"
            }
            let yaml = CheckTests.policy("  types: [Egress]\n  egress:\n" + rules.joined())
            for side in ["old", "new"] { try folder.write(yaml, to: "\(side)/ports.yaml") }
            let same = try diff("--endpoint", "other/guest")
            #expect(same.status == 2, "\(same.output)\(same.errors)")
            #expect(same.output.hasPrefix("nothing found, not everything was compared; 1 endpoints and "))
            #expect(same.errors.hasPrefix("left out: other/guest: ") && same.errors.contains(" ports"), "\(same.errors)")
            #expect((try diff("--endpoint", "other/guest", "--json").objects().last?["left_out"] as? [String])?.count == 1)
        }

        @Test func `a comparison that cannot be made is an error`() throws {
            #expect(try Program.run("diff", folder.path + "/old", folder.path + "/new").errors.contains("--endpoints"))
            #expect(try Program.run("diff", folder.path + "/old", folder.path + "/new").status == 2)
            #expect(try Program.run("diff", folder.path + "/old", folder.path + "/absent").status == 2)
            #expect(try diff("--endpoint", "default/absent").status == 2)
            try folder.write(CheckTests.policy("  tier: absent\n"), to: "new/bad.yaml")
            let result = try diff()
            #expect(result.status == 2 && result.errors.contains("new/bad.yaml:5:9: error: spec.tier: ") && result.output.isEmpty)
        }
    }
}
