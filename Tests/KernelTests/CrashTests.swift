import DemoNetwork
import Foundation
import NetworkTypes
import Testing

extension KernelSuites {
    @Suite struct CrashTests {
        private static let zone = """
            one    300 A 198.51.100.101
            web    300 A 198.51.100.102
            later  300 A 198.51.100.103
            denied 300 A 198.51.100.200
            """

        private static func makeNode() throws -> RunningNode {
            let node = try RunningNode(
                zones: ["names.test": zone],
                policies: [
                    "shop.yaml": PolicyText.allow("shop", domains: ["one.names.test", "web.names.test", "later.names.test"]),
                    "rest.yaml": PolicyText.denyRest,
                ])
            try node.echo("198.51.100.101", "198.51.100.103", "198.51.100.200")
            for name in ["one", "web", "later", "denied"] { try node.resolve("\(name).names.test", from: "pod-a") }
            return node
        }

        @Test func `kill -9 during transfers lets allowed flows go on, denied packets wait or die, and bindings survive`() throws {
            let node = try Self.makeNode()
            defer { node.stop() }
            let denied = try #require(IPAddress(parsing: "198.51.100.200"))
            let witness = try Witness(in: node.lab, to: denied)
            let prober = try Prober(in: try node.pod("pod-a"), to: denied, port: RunningNode.echoPort)
            let pumps = try (0..<4).map { _ in
                try StreamPump(try node.stream("pod-a", to: "198.51.100.101"), every: 0.01, in: node.lab)
            }
            // 256 MiB at this rate take longer than all the rest.
            let pod = try node.pod("pod-a")
            let download = try node.lab.node.startThread {
                try pod.namespace.run(
                    "curl -s -m 40 --limit-rate 32M -o /dev/null -w %{size_download} http://web.names.test/large".split(separator: " ")
                        .map(String.init), timeoutSeconds: 45)
            }
            Thread.sleep(forTimeInterval: 0.5)

            var recovered: [Double] = []
            for round in 0..<3 {
                let before = try node.bindings()
                try #require(before.count == 4)
                let watch = Stopwatch()
                try node.end(SIGKILL)
                // This one asks while nobody answers: it waits in the queue, which the holder keeps.
                let waiting = try pod.namespace.startThread {
                    LabClient.connect(
                        to: IPAddress(v4: 0xc633_6465), port: RunningNode.echoPort, payload: [1], timeoutMilliseconds: 8_000)
                }
                Thread.sleep(forTimeInterval: 0.4 + 0.3 * Double(round))
                try node.start()
                let after = Dictionary(grouping: try node.bindings(), by: \.key)
                let elapsed = watch.seconds
                for binding in before {
                    let same = after[binding.key]?.first
                    let remaining = try #require(same?.remaining, "\(binding.key) is lost")
                    #expect(remaining > 0)
                    #expect(remaining <= binding.remaining)
                    #expect(remaining >= binding.remaining - elapsed * 1_000 - 50)
                }
                #expect(try waiting.join().outcome == .answered)
                #expect(try node.metrics()["exeat_bindings_recovered_total"] == 4)
                recovered.append(try #require(node.status()["recovered_bindings"] as? Double))
                // By a binding of the process before, without a lookup.
                #expect(try node.isReached("pod-a", "198.51.100.103"))
                #expect(try node.isRefused("pod-a", "198.51.100.200"))
                #expect(try node.metrics()["exeat_dns_queries_total{transport=\"udp\"}"] == 0)
            }
            #expect(recovered.allSatisfy { $0 == 4 })

            let result = try download.join()
            #expect(result.status == 0)
            #expect(result.stdout == "\(256 << 20)")
            let records = try pumps.map { try $0.stop() }
            #expect(records.allSatisfy { $0.failure == nil })
            let probes = try prober.stop()
            print(
                "crash: \(records.map(\.exchanges)) exchanges, longest \(records.map(\.longestSeconds).max() ?? 0) s;",
                "\(probes.attempts) denied attempts, \(try witness.packets()) packets of them passed")
            #expect(probes.attempts > 50)
            #expect(probes.reached == 0)
            #expect(try witness.packets() == 0)
        }

        @Test(arguments: [SIGKILL, SIGTERM])
        func `an end while nothing waits in the queue is taken over as well`(_ signal: Int32) throws {
            let node = try Self.makeNode()
            defer { node.stop() }
            let stream = try node.stream("pod-a", to: "198.51.100.101")
            #expect(try node.isRefused("pod-a", "198.51.100.200"))
            try node.end(signal)
            #expect(stream.exchange() == .echoed)
            try node.start()
            #expect(stream.exchange() == .echoed)
            #expect(try node.isReached("pod-a", "198.51.100.103"))
            #expect(try node.isRefused("pod-a", "198.51.100.200"))
            #expect(try node.metrics()["exeat_queue_verdict_errors_total{queue=\"100\"}"] == 0)
        }

        @Test func `a pod that appears while the daemon is dead reaches nothing`() throws {
            let node = try Self.makeNode()
            defer { node.stop() }
            try node.echo(in: try node.pod("pod-b"))
            try node.end(SIGKILL)

            let pod = try node.lab.addPod(.init(name: "pod-late", labels: ["app": "shop"]))
            let witnesses = try pod.addresses.map { try Witness(in: node.lab, from: $0) }
            let other = try node.pod("pod-b").v4.description
            for (address, port): (String, UInt16) in [
                ("198.51.100.101", RunningNode.echoPort), ("198.51.100.200", RunningNode.echoPort), ("198.51.100.102", 80),
                ("2001:db8::10", 80), (other, RunningNode.echoPort), ("10.99.0.1", 22),
            ] {
                #expect(try node.connect("pod-late", to: address, port: port, timeoutMilliseconds: 300) == .timedOut, "\(address)")
            }
            let answer = try pod.namespace.withThread {
                LabClient.resolve("one.names.test", server: RunningNode.resolver, timeoutMilliseconds: 300)
            }
            #expect(answer.responseCode == nil)
            #expect(try pod.namespace.run(["ping", "-c", "1", "-W", "1", "198.51.100.101"]).status != 0)
            for witness in witnesses { #expect(try witness.packets() == 0) }

            // Still unknown after the start; known once its endpoint is described.
            try node.start()
            #expect(try !node.isReached("pod-late", "198.51.100.101"))
            try node.afterReload { try node.writeEndpoints() }
            try node.resolve("one.names.test", from: "pod-late")
            #expect(try node.isReached("pod-late", "198.51.100.101"))
            #expect(try witnesses[0].packets() > 0)
            #expect(try node.isRefused("pod-late", "198.51.100.200"))
        }
    }
}
