import DemoNetwork
import Foundation
import Testing

extension KernelSuites {
    @Suite struct RecentFlowsTests {
        @Test func `without a log file the last decisions are told when somebody asks`() throws {
            var settings = NodeSettings()
            settings.hasFlowLog = false
            let node = try RunningNode(
                settings, zones: ["names.test": "one 300 A 198.51.100.101"],
                policies: ["shop.yaml": PolicyText.allow("shop", domains: ["one.names.test"]), "rest.yaml": PolicyText.denyRest])
            defer { node.stop() }
            try node.echo("198.51.100.101")
            try node.resolve("one.names.test", from: "pod-a")
            var stream: EchoStream? = try node.stream("pod-a", to: "198.51.100.101")
            #expect(stream?.exchange() == .echoed)
            stream = nil

            var found: Flow?
            try Stopwatch.wait("the decision among the last ones", seconds: 10) {
                let lines = try node.exeat("flows", "--recent", "--json").stdout.split(separator: "\n")
                found = lines.compactMap { try? JSONDecoder().decode(Flow.self, from: Data($0.utf8)) }
                    .first { $0.endpoint == "pod-a" && $0.destination == "198.51.100.101" && $0.verdict == "allow" }
                return found != nil
            }
            #expect(found?.names == ["one.names.test"])
            #expect(!FileManager.default.fileExists(atPath: node.lab.directory + "/flows.jsonl"))
        }
    }
}
