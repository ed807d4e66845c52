import DemoNetwork
import Foundation
import NetworkTypes
import Testing

extension KernelSuites {
    /// What got past enforcement, or brought it down, in an earlier version.
    @Suite struct AttackTests {
        private static let policies = [
            "shop.yaml": PolicyText.allow("shop", domains: ["api.example.org"]),
            "batch.yaml": PolicyText.allow("batch", selector: "app == \"batch\"", domains: ["files.example.test"]),
            "rest.yaml": PolicyText.denyRest,
        ]

        private static func address(_ text: String) throws -> IPAddress { try #require(IPAddress(parsing: text)) }

        @Test func `neighbour and listener messages with a forged source reach nobody, and neighbour discovery works`() throws {
            let node = try RunningNode(policies: Self.policies, starts: false)
            defer { node.stop() }
            let pod = try node.pod("pod-a")
            let (victim, forged) = (try Self.address("2001:db8:2::66"), try Self.address("2001:db8:3::1"))
            let arrived = try Witness(in: node.lab, to: victim)
            // The node answers the forged source when the hop limit ends.
            let answered = try Witness(in: node.lab, to: forged)
            let linkLocal = try Self.address("fe80::1")
            let unspecified = try Self.address("::")
            func attack(from sources: [IPAddress]) throws {
                try pod.namespace.withThread {
                    for source in sources {
                        for type: UInt8 in [133, 135, 136] {
                            try Forgery.send(Forgery.icmpv6(type: type, hopLimit: 255, from: source, to: victim), to: victim)
                        }
                        for type: UInt8 in [131, 132, 143] {
                            try Forgery.send(Forgery.icmpv6(type: type, hopLimit: 1, from: source, to: victim), to: victim)
                        }
                    }
                }
            }
            try attack(from: [forged])
            try Stopwatch.wait("without enforcement the forged packets arrive", seconds: 3) {
                try arrived.packets() == 3 && answered.packets() > 0
            }
            Thread.sleep(forTimeInterval: 0.2)
            let (arrivedBefore, answeredBefore) = (try arrived.packets(), try answered.packets())

            try node.start()
            // The kernel limits the rate of its answers: each round has a chance of its own.
            for _ in 0..<3 {
                try attack(from: [forged, linkLocal, unspecified])
                Thread.sleep(forTimeInterval: 0.4)
            }
            #expect(try arrived.packets() == arrivedBefore)
            #expect(try answered.packets() == answeredBefore)

            // Honest discovery is as before, in both directions.
            let answer = try pod.namespace.withThread { LabClient.resolve("api.example.org", type: 28, server: RunningNode.resolver) }
            try #require(answer.addresses == [try Self.address("2001:db8::10")])
            for _ in 0..<2 {
                for namespace in [pod.namespace, node.lab.node] {
                    let flushed = try namespace.run(["ip", "-6", "neigh", "flush", "all"])
                    #expect(flushed.isSuccess, "\(flushed.stderr)")
                }
                #expect(try node.isReached("pod-a", "2001:db8::10", port: 80))
            }
            #expect(try !node.isReached("pod-a", "2001:db8:2::66", port: 80))
        }

        @Test func `a listener message to one host is decided as everything else`() throws {
            let node = try RunningNode(policies: Self.policies, starts: false)
            defer { node.stop() }
            let pod = try node.pod("pod-a")
            let own = try #require(pod.addresses.first { $0.family == .v6 })
            let victim = try Self.address("2001:db8:2::66")
            let arrived = try Witness(in: node.lab, to: victim)
            // With 2 the node sends it on with 1.
            func attack() throws {
                try pod.namespace.withThread {
                    for type: UInt8 in [130, 131, 132, 143] {
                        try Forgery.send(Forgery.icmpv6(type: type, hopLimit: 2, from: own, to: victim), to: victim)
                    }
                }
            }
            try attack()
            try Stopwatch.wait("without enforcement they arrive", seconds: 3) { try arrived.packets() == 4 }
            try node.start()
            try attack()
            Thread.sleep(forTimeInterval: 0.5)
            #expect(try arrived.packets() == 4)
        }

        @Test func `a second daemon in the same folder ends and says why, and what the first enforces stays`() throws {
            let node = try RunningNode(policies: Self.policies)
            defer { node.stop() }
            try node.echo("192.0.2.10", "203.0.113.66")
            try node.resolve("api.example.org", from: "pod-a")
            let denied = try Self.address("203.0.113.66")
            let witness = try Witness(in: node.lab, to: denied)
            let pump = try StreamPump(try node.stream("pod-a", to: "192.0.2.10"), every: 0.01, in: node.lab)
            let prober = try Prober(in: try node.pod("pod-a"), to: denied, port: RunningNode.echoPort)

            // No policy, and services of its own: nothing but the folder is shared.
            let other = node.lab.directory + "/other"
            for name in ["policies", "endpoints"] {
                try FileManager.default.createDirectory(atPath: "\(other)/\(name)", withIntermediateDirectories: true)
            }
            try NodeSettings(extra: "metrics: {listen: \":9353\"}\nhealth: {listen: \":9354\"}\nqueues: {first: 300}\n")
                .configuration(directory: node.lab.directory).write(toFile: "\(other)/exeat.yaml", atomically: true, encoding: .utf8)
            for _ in 0..<2 {
                let second = try node.lab.node.run([Program.path, "run", "--config", "\(other)/exeat.yaml"], timeoutSeconds: 8)
                #expect(second.status == 1)
                #expect((second.stdout + second.stderr).contains("another daemon uses \(node.runtimeDirectory)"), "\(second.stderr)")
            }

            #expect(node.daemon?.isRunning == true)
            #expect(try node.isRefused("pod-a", "203.0.113.66"))
            #expect(try node.isReached("pod-a", "192.0.2.10"))
            #expect(try node.exeat("status").isSuccess)
            // It reloads as before.
            try node.afterReload { try node.remove(policy: "batch.yaml") }
            #expect(try node.metrics()["exeat_policy_last_reload_successful"] == 1)
            #expect(try pump.stop().failure == nil)
            let probes = try prober.stop()
            #expect(probes.attempts > 0 && probes.reached == 0)
            #expect(try witness.packets() == 0)

            // The lock goes with the process, however that ends.
            try node.end(SIGKILL)
            try node.start()
            #expect(try node.isRefused("pod-a", "203.0.113.66"))
        }

        @Test func `when two pods swap interface and addresses, a flow that the new owner may not have is cut`() throws {
            let node = try RunningNode(policies: Self.policies)
            defer { node.stop() }
            try node.echo("192.0.2.10", "203.0.113.10")
            try node.resolve("api.example.org", from: "pod-a")
            try node.resolve("files.example.test", from: "pod-b")
            let shop = try node.stream("pod-a", to: "192.0.2.10")
            let files = try node.stream("pod-b", to: "203.0.113.10")
            for stream in [shop, files] { #expect(stream.exchange() == .echoed) }
            // Both are new, so both generations are the first: the mark alone does not tell the owners apart.
            let generations = try [try node.pod("pod-a"), try node.pod("pod-b")].map { try Self.generation($0, node) }
            try #require(generations[0] == generations[1])

            let path = "\(node.folder)/endpoints/pods.yaml"
            var text = try String(contentsOfFile: path, encoding: .utf8)
            let (first, second) = (try node.pod("pod-a"), try node.pod("pod-b"))
            for (left, right) in [
                ("interfaceName: \(first.interfaceOnNode)\n", "interfaceName: \(second.interfaceOnNode)\n"),
                ("\"\(first.v4)/32\"", "\"\(second.v4)/32\""), ("\"\(first.v6)/128\"", "\"\(second.v6)/128\""),
            ] {
                text = text.replacingOccurrences(of: left, with: "@").replacingOccurrences(of: right, with: left)
                    .replacingOccurrences(of: "@", with: right)
            }
            let swapped = text
            try node.afterReload { try swapped.write(toFile: path, atomically: true, encoding: .utf8) }
            #expect(try node.metrics()["exeat_policy_last_reload_successful"] == 1)

            #expect(shop.exchange() != .echoed)
            #expect(files.exchange() != .echoed)
            #expect(try node.isRefused("pod-a", "192.0.2.10"))
            #expect(try node.isRefused("pod-b", "203.0.113.10"))
            // The lookups went with the names of the endpoints.
            #expect(try node.isReached("pod-a", "203.0.113.10"))
            #expect(try node.isReached("pod-b", "192.0.2.10"))
        }

        /// The bits of the mark that stand for the pod's generation, as the table has them.
        private static func generation(_ pod: DemoNetwork.Pod, _ node: RunningNode) throws -> String {
            let text = try node.lab.node.run(["nft", "list table inet exeat"]).stdout
            let pattern = try Regex("\(pod.v4) \\. (0x[0-9a-f]+)", as: (Substring, Substring).self)
            return try String(#require(text.firstMatch(of: pattern), "no generation of \(pod.name): \(text)").1)
        }

        @Test func `a malformed packet in audit mode is asked about once`() throws {
            let node = try RunningNode(NodeSettings(mode: "audit"), policies: Self.policies)
            defer { node.stop() }
            try node.echo("192.0.2.10")
            let target = try Self.address("203.0.113.66")
            let witness = try Witness(in: node.lab, to: target)
            func packets() throws -> Double {
                try node.metrics().values.filter { $0.key.hasPrefix("exeat_queue_packets_total") }.values.reduce(0, +)
            }
            let before = try packets()
            let sent = 5
            try node.pod("pod-a").namespace.withThread {
                for number in 0..<sent { try Forgery.sendDatagram(from: 40_000 + UInt16(number), to: target, port: 0) }
            }
            Thread.sleep(forTimeInterval: 1)
            let after = try packets()
            #expect(after >= before + Double(sent), "the packets were never asked about")
            #expect(after <= before + Double(3 * sent))
            Thread.sleep(forTimeInterval: 1)
            #expect(try packets() == after, "something comes back to the queue")
            // Audit mode lets it go.
            #expect(try witness.packets() == sent)
            #expect(try node.isReached("pod-b", "192.0.2.10"))
        }

        struct BadSetting: Sendable, CustomTestStringConvertible {
            let testDescription: String
            let interfaces: String
            var extra = ""
            /// Line and column in `exeat.yaml`.
            let place: String
            let field: String
            /// Whether a good pattern is left, which the start then closes.
            let closes: Bool
        }

        @Test(arguments: [
            BadSetting(
                testDescription: "the only pattern has 16 bytes", interfaces: #"["caliabcdefghijk*"]"#, place: "7:22",
                field: "workloadInterfaces[0]", closes: false),
            BadSetting(
                testDescription: "another pattern has 16 bytes", interfaces: #"["cali*", "caliabcdefghijk*"]"#, place: "7:31",
                field: "workloadInterfaces[1]", closes: true),
            BadSetting(
                testDescription: "a mask of 20 bits", interfaces: #"["cali*"]"#, extra: "markMask: 0xfffff\n", place: "17:11",
                field: "markMask", closes: true),
        ])
        func `a setting that the table cannot hold is an error with its place, and what it leaves is said`(_ bad: BadSetting) throws {
            let node = try RunningNode(policies: Self.policies, starts: false)
            defer { node.stop() }
            try node.echo("203.0.113.66")
            try NodeSettings(extra: bad.extra).configuration(directory: node.lab.directory)
                .replacingOccurrences(of: "[\"cali*\"]", with: bad.interfaces)
                .write(toFile: node.folder + "/exeat.yaml", atomically: true, encoding: .utf8)

            #expect(try node.startInVain() == 1, "an exit status, not a signal")
            #expect(node.log.contains("exeat.yaml:\(bad.place): error: \(bad.field): "), "\(node.log)")
            #expect(node.log.contains("workload interfaces are closed") == bad.closes, "\(node.log)")
            #expect(node.log.contains("nothing could be closed") != bad.closes, "\(node.log)")
            #expect(try node.isReached("pod-a", "203.0.113.66") != bad.closes)

            try node.write(settings: NodeSettings())
            try node.start()
            #expect(try node.isRefused("pod-a", "203.0.113.66"))
        }

        @Test(arguments: [true, false])
        func `an empty policy file is refused and the last good policy stays`(renamedOver isRenamed: Bool) throws {
            let node = try RunningNode(policies: Self.policies)
            defer { node.stop() }
            try node.echo("192.0.2.10", "203.0.113.66")
            try node.resolve("api.example.org", from: "pod-a")
            let witness = try Witness(in: node.lab, to: try Self.address("203.0.113.66"))
            for name in ["rest.yaml", "shop.yaml", "batch.yaml"] {
                let log = node.log.count
                try node.afterReload { try "".write(toFile: node.policyPath(name), atomically: isRenamed, encoding: .utf8) }
                #expect(try node.metrics()["exeat_policy_last_reload_successful"] == 0, "\(name)")
                let said = String(node.log.dropFirst(log))
                #expect(said.contains("\(name)") && said.contains("the file is empty"), "\(said)")
                #expect(said.contains("last good policy"), "\(said)")
                for pod in ["pod-a", "pod-b"] { #expect(try node.isRefused(pod, "203.0.113.66"), "\(name)") }
                #expect(try node.isReached("pod-a", "192.0.2.10"), "\(name)")
            }
            #expect(try witness.packets() == 0)
            for (name, text) in Self.policies.sorted(by: { $0.key < $1.key }) {
                try node.afterReload { try node.write(policy: name, text) }
            }
            #expect(try node.metrics()["exeat_policy_last_reload_successful"] == 1)
        }
    }
}
