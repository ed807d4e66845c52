import Foundation
import Testing

extension CommandLineTests {
    @Suite(.serialized) struct LintTests {
        let folder: TemporaryFolder

        init() throws {
            folder = try TemporaryFolder()
            try folder.write(
                """
                apiVersion: projectcalico.org/v3
                kind: GlobalNetworkSet
                metadata: {name: unused, labels: {role: unused}}
                spec: {allowedEgressDomains: [files.example.org]}
                ---
                apiVersion: projectcalico.org/v3
                kind: NetworkPolicy
                metadata: {name: shop, namespace: shop}
                spec:
                  selector: app == 'shop'
                  types: [Egress]
                  egress:
                    - {action: Deny, protocol: UDP, destination: {ports: [53]}}
                    - {action: Allow, protocol: TCP, destination: {domains: ["*.example.org"]}}
                    - {action: Allow, protocol: TCP, destination: {domains: [api.example.org], ports: [443]}}
                """, to: "policies/shop.yaml")
            try folder.write(
                """
                apiVersion: projectcalico.org/v3
                kind: WorkloadEndpoint
                metadata: {name: other, namespace: shop, labels: {app: other}}
                spec: {interfaceName: cali1, ipNetworks: [192.0.2.1/32]}
                """, to: "endpoints/pods.yaml")
        }

        private var expected: [String] {
            let file = folder.path + "/policies/shop.yaml"
            return [
                "\(file):1:1: warning: spec.allowedEgressDomains: no Allow rule of an enforced policy selects the set",
                "\(file):6:1: warning: spec.selector: selects no known endpoint",
                "\(file):14:7: warning: spec.egress[1]: names are allowed, and default|shop/shop|egress[0]|Deny refuses the queries",
                "\(file):15:7: warning: spec.egress[2]: the rule can never match: spec.egress[1] (Allow) takes all that it would",
            ]
        }

        @Test func `what is valid is linted, with file, line, column and field`() throws {
            let result = try Program.run("check", folder.path)
            #expect(result.status == 0)
            #expect(result.lines.count == 5, "\(result.output)")
            for (line, prefix) in zip(result.lines, expected) { #expect(line.hasPrefix(prefix), "\(line)") }
            let objects = try Program.run("check", folder.path, "--json").objects()
            #expect(objects.count == 4 && objects.allSatisfy { $0["severity"] as? String == "warning" && $0["hint"] != nil })
        }

        @Test func `lints can be left out, and can be made errors`() throws {
            let plain = try Program.run("check", folder.path, "--no-lint")
            #expect(plain.status == 0 && plain.lines.count == 1)
            let strict = try Program.run("check", folder.path, "--strict")
            #expect(strict.status == 1)
            #expect(strict.lines.count { $0.contains(": error: ") } == 4 && strict.lines.last?.hasPrefix("bad: 4 errors") == true)
        }

        @Test(arguments: [
            ("db.shop.svc.cluster.local", true), ("*.shop.svc.cluster.local", true), ("svc.cluster.local.example.org", false),
            ("*.example.org", false),
        ])
        func `names of services are told from others`(_ name: String, _ isService: Bool) throws {
            try folder.write(
                """
                apiVersion: projectcalico.org/v3
                kind: NetworkPolicy
                metadata: {name: other, namespace: shop}
                spec:
                  selector: app == 'other'
                  types: [Egress]
                  egress: [{action: Allow, protocol: TCP, destination: {domains: ["\(name)"]}}]
                """, to: "policies/other.yaml")
            let found = try Program.run("check", folder.path).lines.filter { $0.contains("other.yaml:") && $0.contains("headless") }
            #expect(found.count == (isService ? 1 : 0), "\(found)")
        }

        @Test func `what has errors is not linted`() throws {
            try folder.write(CheckTests.policy("  tier: absent\n"), to: "policies/bad.yaml")
            let result = try Program.run("check", folder.path)
            #expect(result.status == 1 && !result.output.contains("can never match"), "\(result.output)")
        }

        @Test(
            arguments: [
                ("dns: {listen: [192.0.2.53], upstreams: [192.0.2.54]}", nil),
                ("dns: {listen: [192.0.2.53], upstreams: [192.0.2.54], intercept: false}", "allow UDP and TCP 53 before it"),
                ("mode: audit", "no resolver listens"),
            ] as [(String, String?)])
        func `the configuration says whether queries are policed`(_ text: String, _ word: String?) throws {
            try folder.write("workloadInterfaces: [\"cali*\"]\npolicies: policies\nendpoints: endpoints\n\(text)\n", to: "exeat.yaml")
            let result = try Program.run("check", folder.path)
            #expect(result.status == 0, "\(result.output)")
            let found = result.lines.filter { $0.contains("spec.egress[1]: ") }
            #expect(found.count == (word == nil ? 0 : 1), "\(result.output)")
            if let word { #expect(found.first?.contains(word) == true, "\(found)") }
        }

        @Test func `the shipped policies are free of lints`() throws {
            #expect(try Program.run("check", CheckTests.shipped, "--strict").status == 0)
        }
    }
}
