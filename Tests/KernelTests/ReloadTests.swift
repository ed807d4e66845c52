import Foundation
import Testing

extension KernelSuites {
    @Suite struct ReloadTests {
        /// A file that must not be taken, and where the daemon must say that the fault is.
        private struct Fault {
            let what: String
            let text: String
            let place: String
            let field: String
        }

        private static let good = PolicyText.allow("shop", domains: ["api.example.org"])

        /// The file with one place of it otherwise.
        private static func file(_ text: String, _ other: String) -> String { good.replacingOccurrences(of: text, with: other) }

        private static let faults = [
            Fault(what: "a YAML typo", text: file("  types: [Egress]", "  types: [Egress"), place: "", field: "flow sequence"),
            Fault(what: "an unknown field", text: file("selector:", "selektor:"), place: "8:3", field: "selektor"),
            Fault(what: "an unknown tier", text: file("  order: 100", "  tier: nowhere"), place: "7:9", field: "spec.tier"),
            Fault(what: "a bad selector", text: file("app == \"shop\"", "app = \"shop\""), place: "8:", field: "spec.selector"),
            Fault(
                what: "a bad wildcard", text: file("api.example.org", "api*.example.org"), place: "15:",
                field: "spec.egress[0].destination.domains[0]"),
        ]

        @Test func `a bad file leaves the last good policy in force, is reported with its place, and is taken when mended`() throws {
            let node = try RunningNode(policies: ["shop.yaml": Self.good, "rest.yaml": PolicyText.denyRest])
            defer { node.stop() }
            try node.echo("192.0.2.10", "203.0.113.66")
            try node.resolve("api.example.org", from: "pod-a")
            let pump = try StreamPump(try node.stream("pod-a", to: "192.0.2.10"), every: 0.01, in: node.lab)

            for (index, fault) in Self.faults.enumerated() {
                let log = node.log.count
                try node.afterReload { try node.write(policy: "shop.yaml", fault.text) }
                let metrics = try node.metrics()
                #expect(metrics["exeat_policy_last_reload_successful"] == 0, "\(fault.what)")
                #expect(metrics["exeat_policy_reload_failures_total"] >= Double(index + 1), "\(fault.what)")
                let said = String(node.log.dropFirst(log))
                #expect(said.contains(/shop\.yaml:[0-9]+:[0-9]+: error/), "\(fault.what): \(said)")
                #expect(said.contains("shop.yaml:\(fault.place)"), "\(fault.what): \(said)")
                #expect(said.contains(fault.field), "\(fault.what): \(said)")
                #expect(said.contains("last good policy"), "\(fault.what): \(said)")

                #expect(try node.isReached("pod-a", "192.0.2.10"), "\(fault.what)")
                #expect(try node.isRefused("pod-a", "203.0.113.66"), "\(fault.what)")
                #expect(try node.isRefused("pod-b", "192.0.2.10"), "\(fault.what)")

                try node.afterReload { try node.write(policy: "shop.yaml", Self.good) }
                #expect(try node.metrics()["exeat_policy_last_reload_successful"] == 1, "\(fault.what)")
            }
            // A mended file that says something else is in force.
            try node.afterReload { try node.write(policy: "shop.yaml", PolicyText.allow("shop", domains: ["evil.example.test"])) }
            #expect(try node.isRefused("pod-a", "192.0.2.10"))
            try node.resolve("evil.example.test", from: "pod-a")
            #expect(try node.isReached("pod-a", "203.0.113.66"))
            // It is cut at its next packet.
            try Stopwatch.wait("the flow is cut") { pump.hasFailed }
            #expect(try pump.stop().failure == .ended(errno: ECONNRESET))
        }

        @Test(arguments: ["allow", "deny"])
        func `endpoints that no policy selects may do what unselectedEndpoints says`(_ unselected: String) throws {
            let node = try RunningNode(
                NodeSettings(extra: "unselectedEndpoints: \(unselected)\n"), policies: ["shop.yaml": Self.good])
            defer { node.stop() }
            try node.echo("192.0.2.10")
            #expect(try node.isReached("pod-b", "192.0.2.10") == (unselected == "allow"))
            #expect(try node.isRefused("pod-b", "192.0.2.10") == (unselected == "deny"))
        }

        @Test(arguments: ["closed", "open"])
        func `a bad start says where the fault is and leaves workload interfaces as startFailure says`(_ startFailure: String) throws {
            let node = try RunningNode(
                NodeSettings(startFailure: startFailure), policies: ["shop.yaml": Self.faults[3].text, "rest.yaml": PolicyText.denyRest],
                starts: false)
            defer { node.stop() }
            try node.echo("192.0.2.10", "203.0.113.66")
            try node.echo(in: try node.pod("pod-b"))
            let other = try node.pod("pod-b").v4.description
            try #require(try node.isReached("pod-a", "203.0.113.66"), "nothing is enforced before the first start")

            #expect(try node.startInVain() != 0)
            #expect(node.log.contains("shop.yaml:8:"))
            let isOpen = startFailure == "open"
            #expect(try node.isReached("pod-a", "203.0.113.66") == isOpen)
            #expect(try node.isReached("pod-a", other) == isOpen)
            #expect(try node.isReached("pod-a", "2001:db8::10", port: 80) == isOpen)
            #expect(try node.lab.node.run(["nft", "list tables"]).stdout.contains("exeat") != isOpen)

            try node.write(policy: "shop.yaml", Self.good)
            try node.start()
            try node.resolve("api.example.org", from: "pod-a")
            #expect(try node.isReached("pod-a", "192.0.2.10"))
            #expect(try node.isRefused("pod-a", "203.0.113.66"))
        }

        @Test func `a start with a bad configuration closes the workload interfaces that it names`() throws {
            let node = try RunningNode(
                NodeSettings(extra: "colour: blue\n"), policies: ["shop.yaml": Self.good, "rest.yaml": PolicyText.denyRest], starts: false)
            defer { node.stop() }
            try node.echo("203.0.113.66")
            try #require(try node.isReached("pod-a", "203.0.113.66"), "nothing is enforced before the first start")
            #expect(try node.startInVain() != 0)
            #expect(node.log.contains("colour: unknown field"))
            #expect(try !node.isReached("pod-a", "203.0.113.66"))
            try node.write(settings: NodeSettings())
            try node.start()
            try node.resolve("api.example.org", from: "pod-a")
            #expect(try node.isReached("pod-a", "192.0.2.10", port: 80))
            #expect(try node.isRefused("pod-a", "203.0.113.66"))
        }

        @Test func `a bad start after a crash leaves the table of the daemon before in force`() throws {
            let node = try RunningNode(policies: ["shop.yaml": Self.good, "rest.yaml": PolicyText.denyRest])
            defer { node.stop() }
            try node.echo("192.0.2.10", "203.0.113.66")
            try node.resolve("api.example.org", from: "pod-a")
            let pump = try StreamPump(try node.stream("pod-a", to: "192.0.2.10"), every: 0.01, in: node.lab)
            try node.end(SIGKILL)
            try node.write(policy: "shop.yaml", Self.faults[2].text)
            #expect(try node.startInVain() != 0)
            #expect(try !node.isReached("pod-a", "203.0.113.66"))
            try node.write(policy: "shop.yaml", Self.good)
            try node.start()
            #expect(try node.isReached("pod-a", "192.0.2.10"))
            #expect(try node.isRefused("pod-a", "203.0.113.66"))
            #expect(try pump.stop().failure == nil)
        }
    }
}
