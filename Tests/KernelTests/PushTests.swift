import DemoNetwork
import Foundation
import NetworkTypes
import Testing

extension KernelSuites {
    /// Flows on which only the server sends, after policy has taken them back: nobody in the pod sends a packet that would be refused.
    @Suite struct PushTests {
        /// How long they are watched; `EXEAT_REVOCATION_SECONDS` gives another time.
        private static let seconds =
            ProcessInfo.processInfo.environment["EXEAT_REVOCATION_SECONDS"].flatMap { Double($0) } ?? 10

        private struct Push {
            let what: String
            let address: IPAddress
            let isDatagram: Bool
            let server: PushServer
            let client: PushClient
            let arrivals: Witness
        }

        private static let zone = """
            stream 300 A 198.51.100.121
            deaf   300 A 198.51.100.122
            udp    300 A 198.51.100.123
            slow   300 A 198.51.100.124
            """
        private static let port: UInt16 = 7_100
        private static let rows: [(name: String, address: String, isDatagram: Bool, every: Double)] = [
            ("stream", "198.51.100.121", false, 0.02), ("deaf", "198.51.100.122", false, 0.02), ("udp", "198.51.100.123", true, 0.02),
            ("slow", "198.51.100.124", true, 5),
        ]

        private static func policies(_ names: [String]) -> [String: String] {
            [
                "shop.yaml": PolicyText.allow("shop", protocol: nil, domains: names.map { "\($0).names.test" }),
                "rest.yaml": PolicyText.denyRest,
            ]
        }

        @Test(arguments: ["reject", "drop"])
        func `servers that only push stay cut after revocation, whatever they ignore`(_ denyAction: String) throws {
            let node = try RunningNode(
                NodeSettings(extra: "denyAction: \(denyAction)\n"), zones: ["names.test": Self.zone],
                policies: Self.policies(Self.rows.map(\.name)))
            defer { node.stop() }
            let pod = try node.pod("pod-a")
            // To this server no connection ever ends: neither resets nor ICMP errors reach it.
            for command in [
                "add table ip deaf", "add chain ip deaf in { type filter hook input priority 0; }",
                "add rule ip deaf in ip daddr 198.51.100.122 tcp flags & rst == rst drop",
                "add rule ip deaf in ip protocol icmp drop",
            ] {
                let result = try node.lab.internet.run(["nft", command])
                try #require(result.isSuccess, "\(result.stderr)")
            }
            var pushes: [Push] = []
            defer {
                for push in pushes {
                    try? push.client.stop()
                    try? push.server.stop()
                }
            }
            for row in Self.rows {
                let address = try #require(IPAddress(parsing: row.address))
                try node.resolve("\(row.name).names.test", from: "pod-a")
                let server = try PushServer(
                    in: node.lab.internet, address, port: Self.port, isDatagram: row.isDatagram, every: row.every)
                pushes.append(
                    Push(
                        what: row.name, address: address, isDatagram: row.isDatagram, server: server,
                        client: try PushClient(in: pod, to: address, port: Self.port, isDatagram: row.isDatagram),
                        arrivals: try Witness(in: pod.namespace, from: address)))
            }
            try Stopwatch.wait("all servers push", seconds: 12) { pushes.allSatisfy { $0.client.state.bytes >= 8 } }

            try node.afterReload { try node.write(policy: "shop.yaml", Self.policies(["other"])["shop.yaml"] ?? "") }
            let watch = Stopwatch()
            watch.sleep(untilSecond: 1)
            let arrived = try pushes.map { try $0.arrivals.packets() }
            let received = pushes.map(\.client.state.bytes)
            let sent = pushes.map(\.server.record.pushes)
            let refused = try Self.refused(node)
            // Those that are not yet decided again at their first packet.
            watch.sleep(untilSecond: 8)
            let queued = try node.queuedPackets()
            watch.sleep(untilSecond: max(Self.seconds, 10))

            for (index, push) in pushes.enumerated() {
                let isNew = try push.arrivals.packets() - arrived[index]
                let record = push.server.record
                print("push, \(denyAction), \(push.what): \(record.pushes - sent[index]) pushes after the first second, \(isNew) arrived")
                #expect(isNew == 0, "\(push.what): packets arrive at the pod")
                #expect(push.client.state.bytes == received[index], "\(push.what)")
                switch push.what {
                case "stream":
                    // Both ends were told.
                    #expect(record.failure != nil)
                    #expect(push.client.state.end != nil)
                case "deaf":
                    #expect(record.failure == nil, "it was to go on")
                    #expect(push.client.state.end != nil)
                default: #expect(record.pushes > sent[index], "\(push.what) was to go on")
                }
            }
            // The packets came as far as the table, and only there they ended; nobody was asked.
            #expect(try Self.refused(node) - refused > Self.seconds * 20)
            #expect(try node.queuedPackets() == queued)
        }

        @Test func `a UDP server that pauses for longer than conntrack remembers stays cut`() throws {
            let node = try RunningNode(zones: ["names.test": Self.zone], policies: Self.policies(["udp"]))
            defer { node.stop() }
            // A little longer than the time between two walks, instead of 30 and 120 seconds.
            for name in ["nf_conntrack_udp_timeout", "nf_conntrack_udp_timeout_stream"] {
                let result = try node.lab.node.run(["sysctl", "-qw", "net.netfilter.\(name)=13"])
                try #require(result.isSuccess, "\(result.stderr)")
            }
            let pod = try node.pod("pod-a")
            let address = try #require(IPAddress(parsing: "198.51.100.123"))
            try node.resolve("udp.names.test", from: "pod-a")
            let server = try PushServer(in: node.lab.internet, address, port: Self.port, isDatagram: true, every: 0.05)
            let client = try PushClient(in: pod, to: address, port: Self.port, isDatagram: true)
            defer {
                try? client.stop()
                try? server.stop()
            }
            let arrivals = try Witness(in: pod.namespace, from: address)
            try Stopwatch.wait("it pushes") { client.state.bytes >= 8 }
            try node.afterReload { try node.write(policy: "shop.yaml", Self.policies(["other"])["shop.yaml"] ?? "") }
            Thread.sleep(forTimeInterval: 2)
            let (arrived, received) = (try arrivals.packets(), client.state.bytes)
            server.pause(true)
            Thread.sleep(forTimeInterval: 0.3)
            let sent = server.record.pushes
            Thread.sleep(forTimeInterval: 20)
            let refused = try Self.refused(node)
            #expect(try node.metrics()["exeat_flows_revoked_kept"] == 1)
            server.pause(false)
            try Stopwatch.wait("it pushes again", seconds: 10) { server.record.pushes > sent + 20 }
            #expect(try arrivals.packets() == arrived)
            #expect(client.state.bytes == received)
            try Stopwatch.wait("its packets are refused") { try Self.refused(node) > refused }
        }

        private static func refused(_ node: RunningNode) throws -> Double {
            try node.metrics()["exeat_kernel_refused_packets_total{reason=\"revoked\"}"]
        }
    }
}
