import Foundation
import Testing

extension CommandLineTests {
    @Suite(.serialized) struct PolicyTestTests {
        let folder: TemporaryFolder

        init() throws {
            folder = try TemporaryFolder()
            try folder.copy("config/policies", to: "policies")
        }

        private func run(_ tests: String, _ arguments: String...) throws -> Program.Result {
            let file = try folder.write(
                "policies: policies\nendpoints:\n  - {namespace: default, name: shop, labels: {app: shop}}\n"
                    + "  - {namespace: other, name: guest}\n"
                    + tests, to: "tests.yaml")
            return try Program.run(["test", file] + arguments)
        }

        @Test func `the shipped tests pass, wherever they are run from`() throws {
            let file = Program.repository.appending(path: "config/tests/policies.yaml").path
            let result = try Program.run("test", file)
            #expect(result.status == 0, "\(result.output)\(result.errors)")
            #expect(result.lines.count == 1 && result.output.hasSuffix(" 0 failed\n"))
        }

        @Test(arguments: [[], ["--tap"], ["--json"]])
        func `what a test is called cannot steer the terminal or add lines`(_ arguments: [String]) throws {
            let file = try folder.write(
                "policies: policies\nendpoints: [{namespace: default, name: shop}]\ntests:\n"
                    + "  - {name: \"a\\e[2J\\u009b2J\\nok 7 - false\", from: default/shop, to: api.example.org, expect: allow}\n",
                to: "tests.yaml")
            let result = try Program.run(["test", file] + arguments)
            #expect(result.status == 1, "\(result.errors)")
            #expect(!result.output.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" || (0x7f..<0xa0).contains($0.value) })
            #expect(!result.lines.contains { $0.hasPrefix("ok 7") })
            if arguments == ["--json"] {
                #expect(try result.objects().first?["test"] as? String == "a\u{1b}[2J\u{9b}2J\nok 7 - false")
            }
        }

        struct Row: Sendable, CustomTestStringConvertible {
            let test: String
            /// Stands in the failure; nil: passes.
            let failure: String?
            var testDescription: String { test }
        }

        static let rows = [
            Row(test: "from: default/shop, to: \"api.example.org:443\", expect: allow", failure: nil),
            Row(test: "from: default/shop, to: api.example.org, protocol: TCP, expect: allow, reason: policy_allow", failure: nil),
            Row(
                test: "from: default/shop, to: api.example.org, expect: deny",
                failure: "expected deny, got allow (policy_allow default|default/shop|egress[0]|Allow)"),
            Row(
                test: "from: default/shop, to: api.example.org, protocol: udp, expect: allow",
                failure: "got deny (tier_default_deny default|default-action|-|Deny)"),
            Row(
                test: "from: default/shop, to: api.example.org, expect: allow, rule: \"default|default/shop|egress[0]|Allow\"", failure: nil
            ),
            Row(
                test: "from: default/shop, to: api.example.org, expect: allow, rule: \"default|default/batch\"",
                failure: "expected the rule default|default/batch, got default|default/shop"),
            Row(test: "from: other/guest, to: api.example.org, expect: allow, rule: default", failure: "got none (no_policy)"),
            Row(test: "from: default/shop, to: \"192.0.2.1:443\", expect: deny, reason: address_not_resolved", failure: nil),
            Row(
                test: "from: default/shop, to: \"192.0.2.1:443\", resolved: [www.example.org], expect: deny, reason: tier_default_deny",
                failure: "got name_not_allowed"),
            Row(
                test:
                    "from: default/shop, to: \"192.0.2.1:443\", resolved: [www.example.org, api.example.org], expect: allow, dns: answered",
                failure: nil),
            Row(
                test: "from: default/shop, to: api.example.org, expect: allow, dns: refused",
                failure: "expected the query for api.example.org to be refused, it is answered"),
            Row(test: "from: default/shop, to: api.example.org, expect: allow, staged: allow", failure: nil),
            Row(
                test: "from: default/shop, to: api.example.org, expect: allow, staged: deny",
                failure: "expected staged policies to deny, got allow"),
            Row(test: "from: other/guest, to: 192.0.2.1, protocol: icmp, icmp: 8, expect: allow", failure: nil),
            Row(test: "from: other/guest, to: 192.0.2.1, protocol: icmp, icmp: {type: 8, code: 0}, expect: allow", failure: nil),
            Row(test: "from: 192.0.2.1, to: \"default/shop:80\", direction: ingress, expect: allow, reason: no_policy", failure: nil),
            Row(test: "from: other/guest, to: \"default/shop:80\", expect: allow", failure: nil),
        ]

        @Test(arguments: rows)
        func `a test passes or says what came out instead`(_ row: Row) throws {
            let result = try run("tests:\n  - {name: it, \(row.test)}\n")
            #expect(result.status == (row.failure == nil ? 0 : 1), "\(result.output)\(result.errors)")
            #expect(result.lines.count == (row.failure == nil ? 1 : 2))
            if let failure = row.failure {
                #expect(result.lines[0].hasPrefix("\(folder.path)/tests.yaml:6:5: it: "), "\(result.output)")
                #expect(result.lines[0].contains(failure), "\(result.output)")
            }
        }

        @Test(arguments: [
            (
                "tests:\n  - {name: a, from: default/shop, to: b.example.org, expects: deny, expect: deny}", "6:54", "tests[0].expects",
                "expect"
            ),
            ("tests:\n  - {name: a, from: default/shop, to: b.example.org}", "6:5", "tests[0].expect", "required"),
            ("tests:\n  - {name: a, from: b.example.org, to: b.example.org, expect: deny}", "6:21", "tests[0].from", "NAMESPACE/NAME"),
            ("tests:\n  - {name: a, from: default/shop, to: \"b.example.org:0\", expect: deny}", "6:39", "tests[0].to", "no port"),
            ("tests:\n  - {name: a, from: default/shop, to: [], expect: deny}", "6:39", "tests[0].to", "empty"),
            ("tests:\n  - {name: a, from: default/shop, to: b.example.org, expect: maybe}", "6:62", "tests[0].expect", "allow, deny"),
            (
                "tests:\n  - {name: a, from: default/shop, to: b.example.org, expect: deny, reason: policy_dney}", "6:76",
                "tests[0].reason", "policy_deny"
            ),
            (
                "tests:\n  - {name: a, from: default/shop, to: b.example.org, expect: deny, reason: no_policy}", "6:76", "tests[0].reason",
                "never"
            ),
            (
                "tests:\n  - {name: a, from: default/shop, to: b.example.org, resolved: [c.example.org], expect: deny}", "6:39",
                "tests[0].to", "resolved"
            ),
            ("tests:\n  - {name: a, from: default/shop, to: 192.0.2.1, dns: refused, expect: deny}", "6:55", "tests[0].dns", "names"),
            ("tests:\n  - {name: a, from: default/shop, to: 192.0.2.1, icmp: 8, expect: deny}", "6:56", "tests[0].icmp", "protocol"),
            ("tests:\n  - {name: a, from: default/absent, to: 192.0.2.1, expect: deny}", "6:5", "tests", "no endpoint default/absent"),
            ("options: {unselectedEndpoints: deny}\ntests: []", "5:11", "options.unselectedEndpoints", "unselected"),
            ("nonsense: 1\ntests: []", "5:1", "nonsense", "unknown field"),
        ])
        func `a bad file is named with line, column and field`(_ text: String, _ place: String, _ field: String, _ word: String) throws {
            let result = try run(text + "\n")
            #expect(result.status == 2, "\(result.output)\(result.errors)")
            let line = result.errors.split(separator: "\n").first.map(String.init) ?? ""
            #expect(line.hasPrefix("\(folder.path)/tests.yaml:\(place): error: \(field): "), "\(result.errors)")
            #expect(line.contains(word), "\(line)")
        }

        @Test func `bad policies, an absent file and an endpoint that is there twice are bad input`() throws {
            #expect(try Program.run("test", folder.path + "/absent.yaml").status == 2)
            #expect(try run("  - {namespace: default, name: shop}\ntests: []\n").errors.contains(":5:5: error: endpoints[2]: "))
            #expect(
                try run("  - {namespace: default, name: b, address: 192.0.2.300}\ntests: []\n").errors.contains("endpoints[2].address: "))
            try folder.write(CheckTests.policy("  tier: absent\n"), to: "policies/bad.yaml")
            let result = try run("tests: []\n")
            #expect(result.status == 2 && result.errors.contains("bad.yaml:5:9: error: spec.tier: "))
        }

        @Test func `lists give every pair, and every form of the report says the same`() throws {
            let text =
                "tests:\n  - {name: \"a & <b>\", from: [default/shop, other/guest], to: [api.example.org, www.example.org], expect: allow}\n"
            let plain = try run(text)
            #expect(plain.status == 1)
            #expect(plain.lines.last == "4 checks in 1 tests: 3 passed, 1 failed")
            let tap = try run(text, "--tap")
            #expect(tap.lines.prefix(2) == ["TAP version 13", "1..4"])
            #expect(tap.lines.count { $0.hasPrefix("ok ") } == 3 && tap.lines.count { $0.hasPrefix("not ok 2 - ") } == 1, "\(tap.output)")
            let objects = try run(text, "--json", "--junit", folder.path + "/report.xml").objects()
            #expect(objects.count == 5 && objects.count { $0["passed"] as? Bool == true } == 3)
            #expect(objects.last?["failed"] as? Int == 1)
            let report = try String(contentsOfFile: folder.path + "/report.xml", encoding: .utf8)
            #expect(report.contains("<testsuites tests=\"4\" failures=\"1\">") && report.contains("classname=\"a &amp; &lt;b&gt;\""))
            #expect(report.components(separatedBy: "<failure ").count == 2)
        }

        @Test func `the example of the page runs`() throws {
            let blocks = try DocumentationPage("docs/policy-testing.md").yamlBlocks
            #expect(blocks.count == 1)
            try folder.write(
                """
                apiVersion: projectcalico.org/v3
                kind: NetworkPolicy
                metadata: {name: api, namespace: shop}
                spec:
                  types: [Egress]
                  egress:
                    - {action: Allow, protocol: TCP, destination: {domains: [api.example.org], ports: [443]}}
                """, to: "page/policies/api.yaml")
            try folder.write("# none\n", to: "page/endpoints/none.yaml")
            let file = try folder.write(blocks[0], to: "page/tests/shop.yaml")
            let result = try Program.run("test", file)
            #expect(result.status == 0 && result.output == "3 checks in 2 tests: 3 passed, 0 failed\n", "\(result.output)\(result.errors)")
        }

        @Test func `options of the file go before those of the command line`() throws {
            let test = "tests:\n  - {name: a, from: other/guest, to: www.example.org, expect: deny}\n"
            #expect(try run(test).status == 1)
            #expect(try run(test, "--unselected", "deny").status == 0)
            #expect(try run("options: {unselected: deny}\n" + test).status == 0)
            #expect(try run("options: {unselected: allow}\n" + test, "--unselected", "deny").status == 1)
        }
    }
}
