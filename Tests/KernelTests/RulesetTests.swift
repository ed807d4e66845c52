import DemoNetwork
import Foundation
import NetworkTypes
import Testing

extension KernelSuites {
    @Suite struct RulesetTests {
        @Test func `flushing the ruleset as root opens nothing, daemon alive or dead`() throws {
            let node = try RunningNode(policies: [
                "shop.yaml": PolicyText.allow("shop", domains: ["api.example.org"]), "rest.yaml": PolicyText.denyRest,
            ])
            defer { node.stop() }
            let denied = try #require(IPAddress(parsing: "203.0.113.66"))
            try node.echo("192.0.2.10", "203.0.113.66")
            let witness = try Witness(in: node.lab, to: denied)
            try node.resolve("api.example.org", from: "pod-a")
            let prober = try Prober(in: try node.pod("pod-a"), to: denied, port: RunningNode.echoPort)
            let pump = try StreamPump(try node.stream("pod-a", to: "192.0.2.10"), every: 0.01, in: node.lab)
            let rules = try Self.rules(node)
            try #require(rules.contains("queue") || rules.contains("NFQUEUE"))

            for attempt in ["flush ruleset", "delete table inet exeat", "flush table inet exeat", "flush ruleset"] {
                _ = try node.lab.node.run(["nft", attempt])
                Thread.sleep(forTimeInterval: 0.2)
                #expect(try Self.rules(node) == rules, "nft \(attempt)")
            }
            #expect(try node.isReached("pod-a", "192.0.2.10"))
            #expect(try node.isRefused("pod-a", "203.0.113.66"))

            try node.end(SIGKILL)
            for attempt in ["flush ruleset", "delete table inet exeat", "flush table inet exeat"] {
                _ = try node.lab.node.run(["nft", attempt])
                Thread.sleep(forTimeInterval: 0.2)
                #expect(try Self.rules(node) == rules, "nft \(attempt), daemon dead")
            }
            #expect(try !node.isReached("pod-a", "203.0.113.66"))
            try node.start()
            #expect(try node.isReached("pod-a", "192.0.2.10"))
            #expect(try node.isRefused("pod-a", "203.0.113.66"))
            #expect(try pump.stop().failure == nil)
            let probes = try prober.stop()
            print("flush: \(probes.attempts) denied attempts, \(try witness.packets()) packets of them passed")
            #expect(probes.reached == 0)
            #expect(try witness.packets() == 0)
        }

        /// The table without what counts by itself, and without the name of the process that owns it.
        private static func rules(_ node: RunningNode) throws -> String {
            let text = try node.lab.node.run(["nft", "list table inet exeat"]).stdout
            return text.replacing(/(?s)\t(map leases|set asked|set queried|set limited|set begun).*?\n\t}/, with: "").replacing(
                /packets [0-9]+ bytes [0-9]+/, with: ""
            ).replacing(
                /# progname .*/, with: "")
        }
    }
}
