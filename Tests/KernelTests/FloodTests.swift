import DemoNetwork
import Foundation
import NetworkTypes
import Testing

extension KernelSuites {
    /// What one endpoint may take of what all share.
    @Suite struct FloodTests {
        private static let policies = [
            "shop.yaml": PolicyText.allow("shop", protocol: nil, domains: ["api.example.org"]),
            "batch.yaml": PolicyText.allow("batch", selector: "app == \"batch\"", protocol: nil, domains: ["api.example.org"]),
            "rest.yaml": PolicyText.denyRest,
        ]

        /// Datagrams from ports of their own, so that each is a flow, to one address.
        private static func flood(
            _ node: RunningNode, _ pod: String, _ destination: String, ports: Range<UInt16>, to port: UInt16 = RunningNode.echoPort
        ) throws {
            let address = try #require(IPAddress(parsing: destination))
            try node.pod(pod).namespace.withThread {
                for source in ports {
                    try Forgery.sendDatagram(from: source, to: address, port: port)
                    // As fast as conntrack events are read.
                    if source % 64 == 0 { usleep(2_000) }
                }
            }
        }

        @Test func `an endpoint that asks too much is held back ahead of the queue, and no other`() throws {
            let node = try RunningNode(
                NodeSettings(extra: "limits: {questionsPerSecond: 20, questionsBurst: 50}\n"), policies: Self.policies)
            defer { node.stop() }
            try node.echo("192.0.2.10")
            for pod in ["pod-a", "pod-b"] { try node.resolve("api.example.org", from: pod) }
            #expect(try node.isReached("pod-a", "192.0.2.10"))
            let before = try node.queuedPackets()
            let watch = Stopwatch()
            try Self.flood(node, "pod-a", "203.0.113.66", ports: 10_000..<13_000)
            let queued = try node.queuedPackets() - before
            #expect(queued >= 50 && queued <= 50 + 20 * (watch.seconds + 1), "\(queued) in \(watch.seconds) s")
            // The flood and the leased destination have nothing to do with each other, nor has the other pod.
            #expect(try node.isReached("pod-a", "192.0.2.10"))
            for _ in 0..<20 { #expect(try node.isReached("pod-b", "192.0.2.10")) }
            let reason = "exeat_kernel_refused_packets_total{reason=\"question_rate\"}"
            try Stopwatch.wait("the counter is read", seconds: 5) { try node.metrics()[reason] + queued >= 3_000 }
            try Stopwatch.wait("the endpoint is named", seconds: 5) { node.log.contains("an endpoint begins too many flows") }
            let lines = node.log.split(separator: "\n").filter { $0.contains("an endpoint begins too many flows") }
            #expect(lines.count == 1 && lines[0].contains("pod-a") && !lines[0].contains("pod-b"))
            #expect(try node.status()["kernel_question_rate_packets"] as? Int ?? 0 > 0)
            let listed = try node.lab.node.run(["nft", "list", "ruleset"])
            #expect(listed.isSuccess && listed.stdout.contains("limit rate over 20/second burst 50 packets"))
        }

        @Test func `queries of one endpoint to the resolver beyond its rate never come to it, and others are answered`() throws {
            let node = try RunningNode(NodeSettings(extra: "limits: {queriesPerSecond: 20, queriesBurst: 50}\n"), policies: Self.policies)
            defer { node.stop() }
            let count = "exeat_dns_queries_total{transport=\"udp\"}"
            let before = try node.metrics()[count]
            let watch = Stopwatch()
            try Self.flood(node, "pod-a", "\(RunningNode.resolver)", ports: 10_000..<12_000, to: 53)
            try node.resolve("api.example.org", from: "pod-b")
            let come = Int(try node.metrics()[count] - before)
            #expect(come >= 50 && Double(come) <= 60 + 20 * (watch.seconds + 1), "\(come) in \(watch.seconds) s")
            let reason = "exeat_kernel_refused_packets_total{reason=\"query_rate\"}"
            try Stopwatch.wait("the counter is read", seconds: 5) { try node.metrics()[reason] > 1_000 }
            try Stopwatch.wait("the bucket has room again", seconds: 10) {
                try node.pod("pod-a").namespace.withThread {
                    !LabClient.resolve("api.example.org", server: RunningNode.resolver).addresses.isEmpty
                }
            }
        }

        @Test func `intercepted queries of one endpoint beyond its rate make no flows, and others are answered`() throws {
            let node = try RunningNode(NodeSettings(extra: "limits: {queriesPerSecond: 20, queriesBurst: 50}\n"), policies: Self.policies)
            defer { node.stop() }
            let before = try Self.flows(node)
            let watch = Stopwatch()
            try Self.flood(node, "pod-a", "198.51.100.53", ports: 10_000..<12_000, to: 53)
            let made = try Self.flows(node) - before
            #expect(made >= 50 && Double(made) <= 100 + 20 * (watch.seconds + 1), "\(made) in \(watch.seconds) s")
            try node.resolve("api.example.org", from: "pod-b")
            let reason = "exeat_kernel_refused_packets_total{reason=\"query_rate\"}"
            try Stopwatch.wait("the counter is read", seconds: 5) { try node.metrics()[reason] > 1_000 }
            #expect(try node.metrics()["exeat_kernel_refused_packets_total{reason=\"question_rate\"}"] == 0)
        }

        @Test func `an endpoint that begins flows too fast is held back, leased or not, and no other`() throws {
            let node = try RunningNode(
                NodeSettings(extra: "limits: {connectionsPerSecond: 20, connectionsBurst: 50}\n"), policies: Self.policies)
            defer { node.stop() }
            try node.echo("192.0.2.10")
            for pod in ["pod-a", "pod-b"] { try node.resolve("api.example.org", from: pod) }
            let stream = try node.stream("pod-a", to: "192.0.2.10")
            // The first is asked about; the others pass by its lease, and are all answered: nothing fills connection tracking.
            try Self.flood(node, "pod-a", "192.0.2.10", ports: 10_000..<10_001)
            Thread.sleep(forTimeInterval: 0.3)
            let (before, queued) = (try Self.flows(node), try node.queuedPackets())
            let watch = Stopwatch()
            try Self.flood(node, "pod-a", "192.0.2.10", ports: 10_001..<12_000)
            let made = try Self.flows(node) - before
            #expect(made >= 30 && Double(made) <= 100 + 20 * (watch.seconds + 1), "\(made) in \(watch.seconds) s")
            #expect(try node.queuedPackets() - queued <= 50)
            // Its open flow and the other pod have nothing to do with that.
            #expect(stream.exchange() == .echoed)
            for _ in 0..<20 { #expect(try node.isReached("pod-b", "192.0.2.10")) }
            let reason = "exeat_kernel_refused_packets_total{reason=\"connection_rate\"}"
            try Stopwatch.wait("the counter is read", seconds: 5) { try node.metrics()[reason] > 1_000 }
            #expect(try node.metrics()["exeat_kernel_refused_packets_total{reason=\"question_rate\"}"] == 0)
            try Stopwatch.wait("the endpoint is named", seconds: 5) { node.log.contains("an endpoint begins too many flows") }
            let lines = node.log.split(separator: "\n").filter { $0.contains("an endpoint begins too many flows") }
            #expect(lines.count == 1 && lines[0].contains("pod-a") && !lines[0].contains("pod-b"))
            #expect(try node.status()["kernel_connection_rate_packets"] as? Int ?? 0 > 0)
            try Stopwatch.wait("new flows pass again", seconds: 10) { try node.isReached("pod-a", "192.0.2.10") }
        }

        @Test func `an endpoint with as many flows as it may have gets no more until some end, leased or not`() throws {
            let node = try RunningNode(NodeSettings(extra: "limits: {connectionsPerEndpoint: 500}\n"), policies: Self.policies)
            defer { node.stop() }
            try node.echo("192.0.2.10")
            for pod in ["pod-a", "pod-b"] { try node.resolve("api.example.org", from: pod) }
            let stream = try node.stream("pod-a", to: "192.0.2.10")
            #expect(try node.isReached("pod-a", "192.0.2.10"))
            // The first is asked about; the others pass by its lease.
            try Self.flood(node, "pod-a", "192.0.2.10", ports: 10_000..<10_001)
            Thread.sleep(forTimeInterval: 0.3)
            try Self.flood(node, "pod-a", "192.0.2.10", ports: 10_001..<14_000)
            try Stopwatch.wait("the pod is capped", seconds: 5) { try node.metrics()["exeat_endpoints_capped"] == 1 }
            let count = try Self.flows(node)
            #expect(count >= 500 && count < 3_000, "\(count) flows")
            #expect(try !node.isReached("pod-a", "192.0.2.10"))
            for _ in 0..<5 { #expect(try node.isReached("pod-b", "192.0.2.10")) }
            #expect(stream.exchange() == .echoed)
            let reason = "exeat_kernel_refused_packets_total{reason=\"connection_cap\"}"
            try Stopwatch.wait("the counter is read", seconds: 5) { try node.metrics()[reason] > 0 }
            let lines = node.log.split(separator: "\n").filter { $0.contains("as many flows as it may") }
            #expect(lines.count == 1 && lines[0].contains("pod-a"))
            #expect(try node.status()["capped_endpoints"] as? Int == 1)

            // They end.
            let pod = try node.pod("pod-a")
            _ = try node.lab.node.run(["conntrack", "-D", "-p", "udp", "-s", "\(pod.v4)"], timeoutSeconds: 20)
            try Stopwatch.wait("the pod is free again", seconds: 10) { try node.metrics()["exeat_endpoints_capped"] == 0 }
            try Stopwatch.wait("new flows pass", seconds: 5) { try node.isReached("pod-a", "192.0.2.10") }
            #expect(stream.exchange() == .echoed)
        }

        @Test func `the next process after a crash caps whom the dead one had capped, as long as the flows are there`() throws {
            let node = try RunningNode(NodeSettings(extra: "limits: {connectionsPerEndpoint: 200}\n"), policies: Self.policies)
            defer { node.stop() }
            try node.echo("192.0.2.10")
            try node.resolve("api.example.org", from: "pod-a")
            try Self.flood(node, "pod-a", "192.0.2.10", ports: 10_000..<10_001)
            Thread.sleep(forTimeInterval: 0.3)
            try Self.flood(node, "pod-a", "192.0.2.10", ports: 10_001..<11_000)
            try Stopwatch.wait("the pod is capped", seconds: 5) { try node.metrics()["exeat_endpoints_capped"] == 1 }
            try node.end(SIGKILL)
            try node.start()
            try Stopwatch.wait("the pod is capped again", seconds: 5) { try node.metrics()["exeat_endpoints_capped"] == 1 }
            try Stopwatch.wait("new flows are refused", seconds: 5) { try !node.isReached("pod-a", "192.0.2.10") }
            let pod = try node.pod("pod-a")
            _ = try node.lab.node.run(["conntrack", "-D", "-p", "udp", "-s", "\(pod.v4)"], timeoutSeconds: 20)
            try Stopwatch.wait("new flows pass", seconds: 10) { try node.isReached("pod-a", "192.0.2.10") }
        }

        /// Entries of connection tracking, nearly all of them of one pod.
        private static func flows(_ node: RunningNode) throws -> Int {
            let text = try node.lab.node.run(["conntrack", "-C"]).stdout
            return Int(text.split(separator: "\n").first ?? "") ?? 0
        }
    }
}
