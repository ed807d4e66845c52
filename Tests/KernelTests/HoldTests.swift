import DemoNetwork
import Foundation
import NetworkTypes
import Testing

extension KernelSuites {
    /// First packets that come before the answer which allows them, and addresses that are dialled again.
    @Suite struct HoldTests {
        private static let policies = [
            "shop.yaml": PolicyText.allow("shop", protocol: nil, domains: ["*.example.org"]),
            "batch.yaml": PolicyText.allow("batch", selector: "app == \"batch\"", protocol: nil, domains: ["*.example.org"]),
            "rest.yaml": PolicyText.denyRest,
        ]

        /// A node whose upstream answers when the test says so.
        private struct Scene {
            let node: RunningNode
            let upstream: PatientUpstream

            init(milliseconds: Int, bindings: String = "", timeToLive: UInt32 = 300, floorSeconds: Int = 5, graceSeconds: Int = 10) throws {
                node = try RunningNode(
                    NodeSettings(
                        floorSeconds: floorSeconds, graceSeconds: graceSeconds, upstream: PatientUpstream.address.description,
                        bindings: bindings, extra: "hold:\n  milliseconds: \(milliseconds)\n"),
                    policies: HoldTests.policies, starts: false)
                do {
                    upstream = try PatientUpstream(in: node.lab.internet, timeToLive: timeToLive)
                } catch {
                    node.stop()
                    throw error
                }
                upstream.set("api.example.org", "192.0.2.10")
                upstream.set("www.example.org", "192.0.2.20")
                do {
                    try node.start()
                    try node.echo("192.0.2.10", "192.0.2.20", "192.0.2.30")
                } catch {
                    try? stop()
                    throw error
                }
            }

            func stop() throws {
                try upstream.stop()
                node.stop()
            }

            /// Asks for a name, and returns when the question has reached the upstream.
            func ask(_ name: String, from pod: String) throws -> NamespaceThread<LabClient.Answer> {
                let before = upstream.count(of: name)
                let thread = try node.pod(pod).namespace.startThread {
                    LabClient.resolve(name, server: RunningNode.resolver, timeoutMilliseconds: 6_000)
                }
                try Stopwatch.wait("the question reaches the upstream") { upstream.count(of: name) > before }
                return thread
            }

            func dial(_ destination: String, from pod: String) throws -> NamespaceThread<LabClient.Outcome> {
                let address = try #require(IPAddress(parsing: destination))
                return try node.pod(pod).namespace.startThread {
                    LabClient.connect(to: address, port: RunningNode.echoPort, payload: [1], timeoutMilliseconds: 10_000).outcome
                }
            }

            func waitUntilHeld(_ count: Double) throws {
                try Stopwatch.wait("\(count) packets are held") { try node.metrics()["exeat_held_packets"] == count }
            }

            func holds(_ outcome: String) throws -> Double { try node.metrics()["exeat_holds_total{outcome=\"\(outcome)\"}"] }

            func redials(_ outcome: String) throws -> Double { try node.metrics()["exeat_redials_total{outcome=\"\(outcome)\"}"] }
        }

        @Test func `a packet that comes before its answer waits for it and passes, another client's is refused at once`() throws {
            let scene = try Scene(milliseconds: 5_000)
            defer { try? scene.stop() }
            scene.upstream.hold()
            let answer = try scene.ask("api.example.org", from: "pod-a")
            let dial = try scene.dial("192.0.2.10", from: "pod-a")
            try scene.waitUntilHeld(1)
            #expect(try scene.node.isRefused("pod-b", "192.0.2.10"))
            #expect(scene.node.flows("pod-a", to: "192.0.2.10").isEmpty, "nothing is decided yet")
            scene.upstream.release()
            #expect(try dial.join() == .answered)
            #expect(try answer.join().addresses.map(\.description) == ["192.0.2.10"])
            #expect(try scene.node.flow("pod-a", to: "192.0.2.10", verdict: "allow").reason == "policy_allow")
            #expect(scene.node.flows("pod-a", to: "192.0.2.10").filter { $0.verdict == "reject" }.isEmpty)
            try scene.waitUntilHeld(0)
            #expect(try scene.holds("allowed") == 1)
            for outcome in ["refused", "full", "timeout"] { #expect(try scene.holds(outcome) == 0, "\(outcome)") }
        }

        @Test func `a packet to an address that is not in the answer is refused when the answer has come`() throws {
            let scene = try Scene(milliseconds: 5_000)
            defer { try? scene.stop() }
            scene.upstream.hold()
            let answer = try scene.ask("api.example.org", from: "pod-a")
            let dial = try scene.dial("192.0.2.20", from: "pod-a")
            try scene.waitUntilHeld(1)
            scene.upstream.release()
            #expect(try dial.join() == .refused(errno: ECONNREFUSED))
            _ = try answer.join()
            let flow = try scene.node.flow("pod-a", to: "192.0.2.20", verdict: "reject")
            #expect(flow.reason == "address_not_resolved")
            #expect(flow.detail == "hold_refused")
            #expect(scene.node.flows("pod-a", to: "192.0.2.20").count == 1, "one line for one verdict")
            #expect(try scene.holds("refused") == 1)
        }

        @Test func `a packet whose time is over is refused though the query is still in flight`() throws {
            let scene = try Scene(milliseconds: 200)
            defer { try? scene.stop() }
            scene.upstream.hold()
            let answer = try scene.ask("api.example.org", from: "pod-a")
            #expect(try scene.dial("192.0.2.10", from: "pod-a").join() == .refused(errno: ECONNREFUSED))
            #expect(try scene.node.flow("pod-a", to: "192.0.2.10", verdict: "reject").detail == "hold_timeout")
            #expect(try scene.holds("timeout") == 1)
            scene.upstream.release()
            _ = try answer.join()
            try scene.node.resolve("api.example.org", from: "pod-a")
            #expect(try scene.node.isReached("pod-a", "192.0.2.10"))
        }

        @Test func `with holding switched off nothing waits`() throws {
            let scene = try Scene(milliseconds: 0)
            defer { try? scene.stop() }
            scene.upstream.hold()
            let answer = try scene.ask("api.example.org", from: "pod-a")
            #expect(try scene.node.isRefused("pod-a", "192.0.2.10"))
            #expect(try scene.node.flow("pod-a", to: "192.0.2.10", verdict: "reject").detail == nil)
            scene.upstream.release()
            _ = try answer.join()
            #expect(try scene.node.isReached("pod-a", "192.0.2.10"))
        }

        @Test func `a pod with more packets than may wait takes no room from another`() throws {
            let scene = try Scene(milliseconds: 5_000)
            defer { try? scene.stop() }
            scene.upstream.hold()
            let answers = try [scene.ask("api.example.org", from: "pod-a"), scene.ask("www.example.org", from: "pod-b")]
            let target = try #require(IPAddress(parsing: "192.0.2.30"))
            try scene.node.pod("pod-a").namespace.withThread {
                for _ in 0..<100 { _ = LabClient.udp(to: target, port: RunningNode.echoPort, timeoutMilliseconds: 1) }
            }
            try Stopwatch.wait("the excess is refused") { try scene.holds("full") == 36 }
            #expect(try scene.node.metrics()["exeat_held_packets"] == 64)
            let dial = try scene.dial("192.0.2.20", from: "pod-b")
            try scene.waitUntilHeld(65)
            scene.upstream.release()
            #expect(try dial.join() == .answered)
            for answer in answers { _ = try answer.join() }
            try scene.waitUntilHeld(0)
            #expect(try scene.holds("allowed") == 1)
            #expect(try scene.holds("refused") == 64)
        }

        @Test func `an address whose binding has ended is served while its name still has it, and refused when it has another`() throws {
            // A binding lives for two seconds.
            let scene = try Scene(milliseconds: 5_000, timeToLive: 1, floorSeconds: 0, graceSeconds: 1)
            defer { try? scene.stop() }
            try scene.node.resolve("api.example.org", from: "pod-a")
            func waitForTheEnd() throws {
                let before = try scene.node.metrics()["exeat_bindings_remembered_total"]
                try Stopwatch.wait("the binding ends", seconds: 10) {
                    try scene.node.metrics()["exeat_bindings_remembered_total"] > before
                }
            }
            try waitForTheEnd()
            #expect(try scene.node.bindings().isEmpty)
            #expect(try scene.node.isRefused("pod-b", "192.0.2.10"), "nobody else's")
            let asked = scene.upstream.count(of: "api.example.org")
            #expect(try scene.dial("192.0.2.10", from: "pod-a").join() == .answered)
            #expect(scene.upstream.count(of: "api.example.org") == asked + 1)
            #expect(try scene.redials("confirmed") == 1)
            #expect(try scene.holds("allowed") == 1)
            #expect(try scene.node.flow("pod-a", to: "192.0.2.10", verdict: "allow").names == ["api.example.org"])

            // A flow was admitted by it, so that it drains. The name moves on.
            scene.upstream.set("api.example.org", "192.0.2.20")
            try Stopwatch.wait("the binding ends again", seconds: 10) {
                try scene.node.isRefused("pod-a", "192.0.2.10")
            }
            #expect(try scene.redials("changed") >= 1)
            let flow = try scene.node.flow("pod-a", to: "192.0.2.10", verdict: "reject")
            #expect(flow.detail == "hold_refused")
            #expect(try scene.node.isReached("pod-a", "192.0.2.20"), "what the answer gave instead is the client's")
        }

        @Test func `a window of 0 seconds means that an ended binding stays ended`() throws {
            let scene = try Scene(milliseconds: 5_000, bindings: "  redialSeconds: 0\n", timeToLive: 1, floorSeconds: 0, graceSeconds: 1)
            defer { try? scene.stop() }
            try scene.node.resolve("api.example.org", from: "pod-a")
            try Stopwatch.wait("the binding ends", seconds: 10) { try scene.node.bindings().isEmpty }
            let asked = scene.upstream.count(of: "api.example.org")
            #expect(try scene.node.isRefused("pod-a", "192.0.2.10"))
            #expect(scene.upstream.count(of: "api.example.org") == asked)
        }

        @Test(arguments: [SIGKILL, SIGTERM])
        func `packets that wait when the daemon ends are decided by the next`(signal: Int32) throws {
            let scene = try Scene(milliseconds: 5_000)
            defer { try? scene.stop() }
            scene.upstream.hold()
            let answer = try scene.ask("api.example.org", from: "pod-a")
            let dial = try scene.dial("192.0.2.10", from: "pod-a")
            try scene.waitUntilHeld(1)
            try scene.node.end(signal)
            scene.upstream.release()
            try scene.node.start()
            // The query died with the daemon, so nothing is on its way any more.
            #expect(try dial.join() == .refused(errno: ECONNREFUSED))
            _ = try answer.join()
            try Stopwatch.wait("nothing waits in the kernel") {
                try scene.node.lab.node.run(["cat", "/proc/net/netfilter/nfnetlink_queue"]).stdout.split(separator: "\n").allSatisfy {
                    $0.split(separator: " ").dropFirst(2).first == "0"
                }
            }
        }
    }
}
