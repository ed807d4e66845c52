import DemoNetwork
import Foundation
import Testing

extension KernelSuites {
    @Suite struct FlowTableTests {
        /// One row of `exeat flows --json`, or the end of a flow in the flow log.
        struct Row: Decodable, Sendable {
            let endpoint: String
            let destination: String
            let port: Int
            let transport: String
            let names: [String]
            let verdict: String
            let tier: String?
            let policy: String?
            let rule: String?
            let state: String?
            let policyVersion: Int?
            let bytesOut: Int
            let bytesIn: Int
            let packetsOut: Int
            let start: String
            let milliseconds: Int?

            private enum CodingKeys: String, CodingKey {
                case endpoint, destination, names, verdict, tier, policy, rule, state
                case port = "destination_port"
                case transport = "protocol"
                case policyVersion = "policy_version"
                case bytesOut = "bytes_out"
                case bytesIn = "bytes_in"
                case packetsOut = "packets_out"
                case start = "start_time"
                case milliseconds = "duration_milliseconds"
            }
        }

        private static func makeNode() throws -> RunningNode {
            let node = try RunningNode(
                zones: ["names.test": "one 300 A 198.51.100.101\ntwo 300 A 198.51.100.102"],
                policies: [
                    "shop.yaml": PolicyText.allow("shop", domains: ["one.names.test", "two.names.test"]), "rest.yaml": PolicyText.denyRest,
                ])
            try node.echo("198.51.100.101", "198.51.100.102")
            for name in ["one", "two"] { try node.resolve("\(name).names.test", from: "pod-a") }
            return node
        }

        private static func rows(_ node: RunningNode) throws -> [Row] {
            let result = try node.exeat("flows", "--json")
            guard result.isSuccess else { throw Problem("exit \(result.status): \(result.stderr)") }
            return try result.stdout.split(separator: "\n").map { try JSONDecoder().decode(Row.self, from: Data($0.utf8)) }
        }

        private static func row(_ node: RunningNode, to destination: String) throws -> Row {
            var found: Row?
            try Stopwatch.wait("a live flow to \(destination) in the table", seconds: 10) {
                found = try rows(node).first { $0.destination == destination && $0.state == "live" && $0.transport == "TCP" }
                return found != nil
            }
            return try #require(found)
        }

        /// Ends of flows in the log.
        private static func ends(_ node: RunningNode) -> [Row] {
            let text = (try? String(contentsOfFile: node.lab.directory + "/flows.jsonl", encoding: .utf8)) ?? ""
            return text.split(separator: "\n").compactMap { try? JSONDecoder().decode(Row.self, from: Data($0.utf8)) }
                .filter { $0.verdict == "end" }
        }

        @Test func `a live flow is told of with its name, rule and bytes, and its end with its final ones`() throws {
            let node = try Self.makeNode()
            defer { node.stop() }
            // A connection that was closed stays in conntrack for two minutes otherwise; what has ended goes when the table is walked over.
            let settings = ["net.netfilter.nf_conntrack_tcp_timeout_time_wait=1"]
            #expect(try node.lab.node.run(["sysctl", "-qw"] + settings).isSuccess)
            var open: EchoStream? = try node.stream("pod-a", to: "198.51.100.101")
            for _ in 0..<20 { #expect(open?.exchange() == .echoed) }
            // 20 exchanges of one byte, with headers of 52. Numbers are read anew at most once a second.
            try Stopwatch.wait("the traffic of the flow", seconds: 10) {
                let row = try Self.row(node, to: "198.51.100.101")
                return row.bytesOut > 20 * 53 && row.bytesIn > 20 * 53 && row.packetsOut > 20
            }
            let row = try Self.row(node, to: "198.51.100.101")
            #expect(row.endpoint == "pod-a" && row.port == 7_000 && row.names == ["one.names.test"] && row.verdict == "allow")
            #expect(row.policy?.hasSuffix("shop") ?? false)
            #expect(row.rule == "egress[0]" && row.tier != nil && row.policyVersion != nil)
            #expect(try node.metrics()["exeat_flows_live"] >= 1)
            // Readable without JSON too.
            #expect(try node.exeat("flows").stdout.contains("default/pod-a -> 198.51.100.101 7000 TCP"))

            for _ in 0..<20 { #expect(open?.exchange() == .echoed) }
            open = nil
            try Stopwatch.wait("the end of the flow in the log", seconds: 20) {
                Thread.sleep(forTimeInterval: 0.5)
                _ = try Self.rows(node)
                return Self.ends(node).contains { $0.destination == "198.51.100.101" }
            }
            let end = try #require(Self.ends(node).first { $0.destination == "198.51.100.101" })
            #expect(end.names == ["one.names.test"] && end.rule == row.rule)
            try Self.expectSame(row.start, end.start)
            #expect(end.bytesOut > row.bytesOut && end.packetsOut > row.packetsOut && end.milliseconds ?? -1 >= 0)
            let metrics = try node.metrics()
            #expect(metrics["exeat_flow_events_total{type=\"new\"}"] >= 1)
            #expect(metrics["exeat_flow_events_total{type=\"destroy\"}"] >= 1)
            #expect(metrics["exeat_flow_traffic_bytes_total{direction=\"out\"}"] >= Double(end.bytesOut))
        }

        /// Each is made of the time since boot by the clock of its moment, which may be corrected meanwhile.
        private static func expectSame(_ one: String, _ other: String) throws {
            let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
            #expect(abs(try style.parse(one).timeIntervalSince(try style.parse(other))) < 0.1, "\(one), \(other)")
        }

        @Test func `after kill -9 the next process knows the names and rule of every live flow`() throws {
            let node = try Self.makeNode()
            defer { node.stop() }
            let stream = try node.stream("pod-a", to: "198.51.100.101")
            #expect(stream.exchange() == .echoed)
            let before = try Self.row(node, to: "198.51.100.101")
            try node.end(SIGKILL)
            #expect(stream.exchange() == .echoed)
            try node.start()
            #expect(stream.exchange() == .echoed)
            let after = try Self.row(node, to: "198.51.100.101")
            #expect(after.names == before.names && after.rule == before.rule && after.policy == before.policy)
            #expect(after.policyVersion == before.policyVersion)
            try Self.expectSame(before.start, after.start)
            try Stopwatch.wait("the traffic since then", seconds: 10) {
                try Self.row(node, to: "198.51.100.101").bytesOut > before.bytesOut
            }
            #expect(try node.metrics()["exeat_flows_recovered_total"] >= 1)
            #expect(stream.exchange() == .echoed)
        }

        @Test func `a flow whose verdict nobody remembers is decided anew and keeps going`() throws {
            let node = try Self.makeNode()
            defer { node.stop() }
            let stream = try node.stream("pod-a", to: "198.51.100.102")
            #expect(stream.exchange() == .echoed)
            _ = try Self.row(node, to: "198.51.100.102")
            try node.end(SIGKILL)
            try FileManager.default.removeItem(atPath: node.runtimeDirectory + "/flows")
            try node.start()
            // Each question brings a sweep; the fact is waited for five seconds.
            try Stopwatch.wait("the flow is known again", seconds: 30) {
                guard stream.exchange() == .echoed else { throw Problem("the flow is cut") }
                Thread.sleep(forTimeInterval: 0.5)
                return try Self.rows(node).contains { $0.destination == "198.51.100.102" && $0.names == ["two.names.test"] }
            }
            #expect(try node.metrics()["exeat_flow_redecisions_total"] >= 1)
            #expect(stream.exchange() == .echoed)
        }
    }
}
