import DemoNetwork
import Foundation
import NetworkTypes
import Testing

extension KernelSuites {
    /// Verdicts that the kernel remembers by destination: what a pod may reach and what may not is the same, only the queue sees less.
    @Suite struct KernelLeaseTests {
        private static let policies = [
            "shop.yaml": PolicyText.allow("shop", protocol: nil, domains: ["api.example.org"]),
            "batch.yaml": PolicyText.allow("batch", selector: "app == \"batch\"", domains: ["files.example.test"]),
            "rest.yaml": PolicyText.denyRest,
        ]

        private static func udp(_ node: RunningNode, _ pod: String, _ destination: String) throws -> Bool {
            let address = try #require(IPAddress(parsing: destination))
            return try node.pod(pod).namespace.withThread {
                LabClient.udp(to: address, port: RunningNode.echoPort, timeoutMilliseconds: 500)
            }.isConnected
        }

        @Test func `after the first flow to a destination no other is asked about, of TCP and UDP, and of nobody else`() throws {
            let node = try RunningNode(policies: Self.policies)
            defer { node.stop() }
            try node.echo("192.0.2.10", "203.0.113.66")
            try node.resolve("api.example.org", from: "pod-a")
            #expect(try node.isReached("pod-a", "192.0.2.10"))
            #expect(try Self.udp(node, "pod-a", "192.0.2.10"))
            let before = try node.queuedPackets()
            for _ in 0..<20 {
                #expect(try node.isReached("pod-a", "192.0.2.10"))
                #expect(try Self.udp(node, "pod-a", "192.0.2.10"))
            }
            #expect(try node.queuedPackets() == before)
            // The other pod holds no name for it, and this one gets nothing else by it.
            #expect(try node.isRefused("pod-b", "192.0.2.10"))
            #expect(try node.isRefused("pod-a", "203.0.113.66"))
            #expect(try !Self.udp(node, "pod-b", "192.0.2.10"))
            #expect(try node.queuedPackets() > before)
            try Stopwatch.wait("the counters are read", seconds: 4) { try node.metrics()["exeat_kernel_leased_flows_total"] == 40 }
            let metrics = try node.metrics()
            #expect(metrics["exeat_kernel_leases"] == 2)
            #expect(metrics["exeat_kernel_leases_asked_total"] == 2)
            #expect(metrics["exeat_kernel_leases_refused_total{limit=\"endpoint\"}"] == 0)
            #expect(metrics["exeat_kernel_leases_refused_total{limit=\"map\"}"] == 0)
            let pod = try node.pod("pod-a")
            let listed = try node.lab.node.run(["nft", "list", "ruleset"])
            #expect(listed.isSuccess && listed.stdout.contains("\(pod.v4) . 192.0.2.10 . tcp . 7000"))
        }

        @Test func `a policy that takes the name back closes leased destinations at once`() throws {
            let node = try RunningNode(policies: Self.policies)
            defer { node.stop() }
            try node.echo("192.0.2.10")
            try node.resolve("api.example.org", from: "pod-a")
            for _ in 0..<3 { #expect(try node.isReached("pod-a", "192.0.2.10")) }
            try node.afterReload { try node.write(policy: "shop.yaml", PolicyText.allow("shop", domains: ["other.example.org"])) }
            for _ in 0..<3 { #expect(try node.isRefused("pod-a", "192.0.2.10")) }
            try node.afterReload { try node.write(policy: "shop.yaml", PolicyText.allow("shop", domains: ["api.example.org"])) }
            for _ in 0..<3 { #expect(try node.isReached("pod-a", "192.0.2.10")) }
        }

        @Test func `a pod that gets the address of another one gets nothing by the leases of that one`() throws {
            let node = try RunningNode(policies: Self.policies)
            defer { node.stop() }
            try node.echo("192.0.2.10")
            try node.resolve("api.example.org", from: "pod-a")
            #expect(try node.isReached("pod-a", "192.0.2.10"))
            try node.afterReload { try node.writeEndpoints(without: ["pod-a"]) }
            // Its conntrack entries are purged: nothing there tells of its generation any more.
            Thread.sleep(forTimeInterval: 1)
            try node.afterReload { try node.writeEndpoints(labels: ["pod-a": ["app": "other"]]) }
            for _ in 0..<3 { #expect(try node.isRefused("pod-a", "192.0.2.10")) }
        }

        @Test func `a lease ends before the binding, also when connections go on all the time`() throws {
            // A binding lives for the TTL of 2 seconds and 14 more.
            let node = try RunningNode(
                NodeSettings(floorSeconds: 0, graceSeconds: 14, bindings: "  redialSeconds: 0\n"),
                policies: [
                    "shop.yaml": PolicyText.allow("shop", domains: ["short.example.org"]), "rest.yaml": PolicyText.denyRest,
                ])
            defer { node.stop() }
            try node.echo("192.0.2.30")
            let watch = Stopwatch()
            try node.resolve("short.example.org", from: "pod-a")
            var last = 0.0
            while watch.seconds < 20, try node.isReached("pod-a", "192.0.2.30") {
                last = watch.seconds
                Thread.sleep(forTimeInterval: 0.1)
            }
            #expect(last < 19, "reached \(last) s after the answer")
            #expect(last > 10)
            #expect(try node.flow("pod-a", to: "192.0.2.30", verdict: "reject").reason == "address_not_resolved")
        }

        @Test func `the leases of a dead daemon end with it or by time, and without leases every flow is asked about`() throws {
            let node = try RunningNode(policies: Self.policies)
            defer { node.stop() }
            try node.echo("192.0.2.10")
            try node.resolve("api.example.org", from: "pod-a")
            #expect(try node.isReached("pod-a", "192.0.2.10"))
            try node.end(SIGKILL)
            try node.write(settings: NodeSettings(extra: "kernelLeases: false\n"))
            try node.start()
            let before = try node.queuedPackets()
            for _ in 0..<5 { #expect(try node.isReached("pod-a", "192.0.2.10")) }
            #expect(try node.queuedPackets() >= before + 5)
            #expect(try node.metrics()["exeat_kernel_leases"] == 0)
        }
    }
}
