import DemoNetwork
import Foundation
import Testing

extension KernelSuites {
    /// Descriptors: how many there may be, and who gets them.
    @Suite struct OpenFilesTests {
        private static let policies = ["shop.yaml": PolicyText.allow("shop", domains: ["api.example.org"])]

        @Test func `daemon and holder may have as many descriptors as the hard limit says`() throws {
            let node = try RunningNode(policies: Self.policies, starts: false)
            defer { node.stop() }
            node.launcher = { ["prlimit", "--nofile=1024:16384"] + $0 }
            try node.start()
            for process in [try #require(node.daemon).pid, try node.holder()] {
                let limits = try String(contentsOfFile: "/proc/\(process)/limits", encoding: .utf8)
                let line = try #require(limits.split(separator: "\n").first { $0.hasPrefix("Max open files") })
                #expect(line.split(separator: " ").dropFirst(3).first == "16384", "\(line)")
            }
        }

        @Test func `connections to the metrics leave descriptors for names and policy`() throws {
            let node = try RunningNode(policies: Self.policies, starts: false)
            defer { node.stop() }
            node.launcher = { ["prlimit", "--nofile=400:400"] + $0 }
            try node.start()
            let daemon = try #require(node.daemon).pid
            let mark = node.lab.directory + "/open"
            let script = """
                for i in $(seq 240); do exec {a}<>/dev/tcp/127.0.0.1/9253; exec {b}<>/dev/tcp/127.0.0.1/8080; done
                touch \(mark); sleep 60
                """
            let clients = try node.lab.node.spawn(["bash", "-c", script])
            try Stopwatch.wait("the connections are there", seconds: 20) { FileManager.default.fileExists(atPath: mark) }
            // Some are taken only later.
            var open = 0
            for _ in 1...30 {
                open = max(open, try FileManager.default.contentsOfDirectory(atPath: "/proc/\(daemon)/fd").count)
                Thread.sleep(forTimeInterval: 0.1)
            }
            #expect((150..<350).contains(open), "\(open)")
            try node.resolve("api.example.org", from: "pod-a")
            try node.write(policy: "shop.yaml", PolicyText.allow("shop", domains: ["www.example.org"]))
            #expect(try node.exeat("status").isSuccess)
            clients.kill(SIGKILL)
            // Those that waited for a place have gone with their process.
            try Stopwatch.wait("metrics are served again", seconds: 10) { (try? node.metrics()) != nil }
        }
    }
}
