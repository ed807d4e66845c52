import CThreadFreezer
import DemoNetwork
import Foundation
import NetworkTypes
import Testing

extension KernelSuites {
    /// Several DNS workers (`dns.workers`).
    @Suite struct WorkerTests {
        private static let names = (0..<6).map { "pod-\($0)" }

        private static func settings(workers: Int) -> NodeSettings {
            NodeSettings(dns: "  workers: \(workers)\n  queryPolicy: allowed\n")
        }

        private static func node(workers: Int, _ body: (RunningNode) throws -> Void) throws {
            let node = try RunningNode(
                settings(workers: workers), pods: names.map { .init(name: $0, labels: ["app": "shop"]) }, hasWebServer: false,
                policies: [
                    "shop.yaml": PolicyText.allow("shop", protocol: nil, domains: ["*.example.org"]), "rest.yaml": PolicyText.denyRest,
                ])
            defer { node.stop() }
            try body(node)
        }

        private static func queries(_ node: RunningNode, workers: Int) throws -> [Double] {
            let metrics = try node.metrics()
            return (0..<workers).map { metrics["exeat_dns_worker_queries_total{worker=\"\($0)\"}"] }
        }

        @Test func `each pod is served by one worker, and what it learns there holds`() throws {
            try Self.node(workers: 3) { node in
                try node.echo("192.0.2.10")
                for name in Self.names {
                    #expect(try node.isRefused(name, "192.0.2.10"), "nothing was learned for it by another pod's worker")
                    let before = try Self.queries(node, workers: 3)
                    for _ in 0..<4 { #expect(try node.resolve("api.example.org", from: name) == ["192.0.2.10"]) }
                    let overTCP = try node.pod(name).namespace.run(["dig", "+tcp", "+short", "@169.254.20.10", "api.example.org"])
                    #expect(overTCP.stdout == "192.0.2.10\n")
                    let asked = zip(try Self.queries(node, workers: 3), before).map { $0 - $1 }
                    #expect(asked.sorted() == [0, 0, 5])
                    #expect(try node.isReached(name, "192.0.2.10"))
                }
                let metrics = try node.metrics()
                #expect(metrics["exeat_dns_queries_total{transport=\"udp\"}"] == 24)
                #expect(metrics["exeat_dns_queries_total{transport=\"tcp\"}"] == 6)
                #expect(try node.bindings().count == 6)
                // All workers know a new policy as soon as it is in force.
                try node.write(policy: "shop.yaml", PolicyText.allow("shop", protocol: nil, domains: ["*.example.net"]))
                try Stopwatch.wait("the new policy") { try node.isRefused("pod-0", "192.0.2.10") }
                for name in Self.names {
                    let answer = try node.pod(name).namespace.withThread {
                        LabClient.resolve("api.example.org", server: RunningNode.resolver)
                    }
                    #expect(answer.responseCode == 3, "\(name)")
                }
            }
        }

        @Test func `restarts lose no query, also of more or fewer workers than before they serve every pod`() throws {
            try Self.node(workers: 3) { node in
                let loads = try Self.names.prefix(2).map {
                    try QueryLoad(from: try node.pod($0), to: RunningNode.resolver, perSecond: 1_000)
                }
                for _ in 1...2 {
                    Thread.sleep(forTimeInterval: 0.5)
                    #expect(try node.end(SIGTERM) == 0)
                    try node.start()
                }
                for load in loads {
                    let result = try load.finish()
                    #expect(result.answered == result.sent && result.failed == 0 && result.sent > 1_000)
                }
                for workers in [1, 4, 2] {
                    #expect(try node.end(SIGTERM) == 0)
                    try node.write(settings: Self.settings(workers: workers))
                    try node.start()
                    for name in Self.names { #expect(try node.resolve("api.example.org", from: name) == ["192.0.2.10"]) }
                    #expect(try Self.queries(node, workers: workers).reduce(0, +) == 6, "\(workers) workers")
                    let sockets = try node.lab.node.run(["ss", "-Huln", "src", "169.254.20.10:53"]).stdout.split(separator: "\n")
                    #expect(sockets.count == workers)
                }
            }
        }

        @Test func `the node is not ready while one worker does not turn`() throws {
            try Self.node(workers: 2) { node in
                func isReady() throws -> Bool {
                    try node.lab.node.run(["curl", "-sf", "-m", "1", "http://127.0.0.1:9253/ready"], timeoutSeconds: 3).isSuccess
                }
                let process = try #require(node.daemon?.pid)
                let threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task").compactMap { Int32($0) }
                let worker = try #require(
                    threads.first { (try? String(contentsOfFile: "/proc/\(process)/task/\($0)/comm", encoding: .utf8)) == "exeat-dns-1\n" })
                try #require(exeat_freeze_thread(worker) == 0)
                defer { _ = exeat_thaw_thread(worker) }
                try Stopwatch.wait("the node is not ready", seconds: 15) { try !isReady() }
                try Stopwatch.wait("the worker is named", seconds: 5) { node.log.contains("a DNS worker does not answer") }
                #expect(try node.metrics()["exeat_ready"] == 0)
                try #require(exeat_thaw_thread(worker) == 0)
                try Stopwatch.wait("the node is ready again", seconds: 10) { try isReady() }
                #expect(try node.resolve("api.example.org", from: "pod-0") == ["192.0.2.10"])
            }
        }
    }
}
