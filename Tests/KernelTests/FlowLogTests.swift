import DemoNetwork
import Foundation
import NetworkTypes
import Testing

extension KernelSuites {
    /// The file of the flow log on a disk that is full, or where it cannot be renamed.
    @Suite struct FlowLogTests {
        private static let denied = "203.0.113.66"

        @Test func `a full disk costs lines, which are counted, and no packet; what is written afterwards is whole`() throws {
            let node = try Self.makeNode(flowLogExtra: "")
            defer { node.stop() }
            let disk = try SmallDisk(node)
            defer { disk.unmount() }
            try node.start()
            try Self.refuse(node, 20)
            try Stopwatch.wait("lines are written") { try node.metrics()["exeat_flow_log_lines_total"] >= 20 }
            try disk.fill()
            try Stopwatch.wait("lines are lost and counted", seconds: 20) {
                try Self.refuse(node, 20)
                return try node.metrics()["exeat_flow_log_write_errors_total"] > 0
            }
            try Stopwatch.wait("it is said") { node.log.contains("flow log cannot be written, lines are lost") }
            #expect(try node.isRefused("pod-a", Self.denied))
            try disk.empty()
            let before = try node.metrics()["exeat_flow_log_lines_total"]
            try Self.refuse(node, 20)
            try Stopwatch.wait("lines are written again") { try node.metrics()["exeat_flow_log_lines_total"] >= before + 20 }
            let lines = try disk.lines()
            let broken = lines.filter { (try? JSONSerialization.jsonObject(with: Data($0.utf8))) == nil }
            #expect(broken.count <= 1, "\(broken)")
            #expect(lines.count - broken.count == Int(try node.metrics()["exeat_flow_log_lines_total"]))
        }

        @Test func `a log that is removed and cannot be made anew is missed aloud, and goes on when it can be`() throws {
            let node = try RunningNode(
                NodeSettings(hasFlowLog: false), policies: ["shop.yaml": PolicyText.allow("shop", domains: ["*.example.org"])],
                starts: false)
            defer { node.stop() }
            let folder = node.lab.directory + "/logs"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            var settings = NodeSettings(hasFlowLog: false)
            settings.extra = "flowLog:\n  path: \(folder)/flows.jsonl\n"
            try node.write(settings: settings)
            try node.start()
            try node.echo("192.0.2.10")
            try node.resolve("api.example.org", from: "pod-a")
            #expect(try node.isReached("pod-a", "192.0.2.10"))
            try Stopwatch.wait("lines are written") { try node.metrics()["exeat_flow_log_lines_total"] > 0 }
            #expect(try node.metrics()["exeat_flow_log_write_errors_total"] == 0)
            try FileManager.default.removeItem(atPath: folder)
            try Stopwatch.wait("lost lines are counted", seconds: 20) {
                #expect(try node.isReached("pod-a", "192.0.2.10"))
                return try node.metrics()["exeat_flow_log_write_errors_total"] > 0
            }
            #expect(node.log.contains("flow log cannot be made anew, lines are lost"))
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try Stopwatch.wait("there is a new file with lines", seconds: 20) {
                guard try node.isReached("pod-a", "192.0.2.10") else { return false }
                return (try? String(contentsOfFile: folder + "/flows.jsonl", encoding: .utf8))?.contains("\n") == true
            }
        }

        @Test func `a file that cannot be renamed ends at twice its bound, and goes on when it can be`() throws {
            let node = try Self.makeNode(flowLogExtra: "  bytesMax: 4096")
            defer { node.stop() }
            let disk = try SmallDisk(node)
            defer { disk.unmount() }
            try node.start()
            try Stopwatch.wait("lines are lost and counted", seconds: 20) {
                try Self.refuse(node, 4)
                return try node.metrics()["exeat_flow_log_write_errors_total"] > 0
            }
            #expect(node.log.contains("flow log cannot be rotated, lines are lost"), "\(node.log)")
            let lines = try node.metrics()["exeat_flow_log_lines_total"]
            try Self.refuse(node, 20)
            #expect(try node.metrics()["exeat_flow_log_lines_total"] == lines)
            disk.unmount()
            try Stopwatch.wait("lines are written again", seconds: 20) {
                try Self.refuse(node, 4)
                return try node.metrics()["exeat_flow_log_lines_total"] > lines
            }
            #expect(try node.isRefused("pod-a", Self.denied))
        }

        @Test func `what is decided before the end is in the log, however much waits to be written`() throws {
            let node = try Self.makeNode(flowLogExtra: "", extra: "limits: {questionsPerSecond: 0, connectionsPerSecond: 0}\n")
            defer { node.stop() }
            // A pipe that nobody reads keeps the thread of the log waiting.
            let path = node.lab.directory + "/flows.jsonl"
            try #require(unsafe mkfifo(path, 0o600) == 0)
            try node.start()
            for _ in 0..<4 { try Self.refuse(node, 1_200) }
            let decided = "exeat_verdicts_total{reason=\"tier_default_deny\"}"
            try Stopwatch.wait("packets are decided", seconds: 20) { try node.metrics()[decided] > 1_500 }
            Thread.sleep(forTimeInterval: 0.5)
            let metrics = try node.metrics()
            #expect(metrics["exeat_flow_log_lost_records_total"] == 0)
            node.daemon?.kill(SIGTERM)
            Thread.sleep(forTimeInterval: 0.5)
            let copy = node.lab.directory + "/copy"
            #expect(try node.lab.node.run(["sh", "-c", "cat \(path) > \(copy)"], timeoutSeconds: 20).isSuccess)
            let lines = try String(contentsOfFile: copy, encoding: .utf8).split(separator: "\n")
            #expect(lines.count { $0.contains("tier_default_deny") } == Int(metrics[decided]))
        }

        private static func makeNode(flowLogExtra: String, extra: String = "") throws -> RunningNode {
            try RunningNode(
                NodeSettings(flowLog: flowLogExtra, extra: extra), policies: ["rest.yaml": PolicyText.denyRest], starts: false)
        }

        /// UDP, so that each is a line of its own and nothing waits.
        private static func refuse(_ node: RunningNode, _ count: UInt16) throws {
            let denied = try #require(IPAddress(parsing: Self.denied))
            try node.pod("pod-a").namespace.withThread {
                for port in 20_000..<20_000 + count { _ = LabClient.udp(to: denied, port: port, timeoutMilliseconds: 0) }
            }
        }

        /// A file system of 32 KiB, of which the log is one file: mounted, so that it cannot be renamed.
        private final class SmallDisk {
            private let node: RunningNode
            private let folder: String
            private var isMounted = true

            init(_ node: RunningNode) throws {
                self.node = node
                folder = node.lab.directory + "/disk"
                let log = node.lab.directory + "/flows.jsonl"
                try run(
                    "mkdir \(folder) && mount -t tmpfs -o size=32k exeat-test \(folder) && touch \(folder)/log \(log) && mount --bind \(folder)/log \(log)"
                )
            }

            func fill() throws { try run("dd if=/dev/zero of=\(folder)/filler bs=1k count=64 2>/dev/null || true") }

            func empty() throws { try run("rm \(folder)/filler") }

            func lines() throws -> [String] {
                try String(contentsOfFile: folder + "/log", encoding: .utf8).split(separator: "\n").map(String.init)
            }

            func unmount() {
                guard isMounted else { return }
                isMounted = false
                try? run("umount -l \(node.lab.directory)/flows.jsonl; umount -l \(folder)")
            }

            private func run(_ script: String) throws {
                let result = try node.lab.node.run(["sh", "-c", script])
                try #require(result.isSuccess, "\(script): \(result.stderr)")
            }
        }
    }
}
