import DemoNetwork
import Foundation
import NetworkTypes
import Testing

extension KernelSuites {
    @Suite struct FirstPacketTests {
        private struct Tally: Sendable {
            var connected = 0
            var unresolved = 0
            var refused = 0
            var timedOut = 0
            /// The first SYN goes again after a second (RFC 6298 §2): what takes more than half of it lost one.
            var late = 0
            var longestMilliseconds = 0.0
        }

        private static let names = 10_000
        private static let pods = 4
        private static let clientsPerPod = 8

        private static func address(_ index: Int) -> IPAddress { IPAddress(v4: 0xc612_0000 + UInt32(index) + 1) }

        @Test func `10,000 fresh names are connected to right after the answer and no first packet is lost`() throws {
            let records = (0..<Self.names).map { "n\($0) 300 A \(Self.address($0))" }.joined(separator: "\n")
            let node = try RunningNode(
                pods: (0..<Self.pods).map { .init(name: "pod-\($0)", labels: ["app": "shop"]) }, zones: ["fresh.test": records],
                policies: ["shop.yaml": PolicyText.allow("shop", domains: ["*.fresh.test"]), "rest.yaml": PolicyText.denyRest])
            defer { node.stop() }
            let retransmissions = try node.lab.pods.map { try Self.synRetransmissions(in: $0) }

            let clients = Self.pods * Self.clientsPerPod
            let watch = Stopwatch()
            let threads = try (0..<clients).map { client in
                try node.pod("pod-\(client % Self.pods)").namespace.startThread { () -> Tally in
                    var tally = Tally()
                    for index in stride(from: client, to: Self.names, by: clients) {
                        let answer = LabClient.resolve("n\(index).fresh.test", server: RunningNode.resolver, timeoutMilliseconds: 5_000)
                        guard answer.addresses == [Self.address(index)] else {
                            tally.unresolved += 1
                            continue
                        }
                        let result = LabClient.connect(to: answer.addresses[0], port: 80, timeoutMilliseconds: 5_000)
                        switch result.outcome {
                        case .answered: tally.connected += 1
                        case .refused: tally.refused += 1
                        case .timedOut: tally.timedOut += 1
                        }
                        if result.milliseconds > 500 { tally.late += 1 }
                        tally.longestMilliseconds = max(tally.longestMilliseconds, result.milliseconds)
                    }
                    return tally
                }
            }
            let tallies = try threads.map { try $0.join() }
            let seconds = watch.seconds
            let resent = try zip(node.lab.pods, retransmissions).reduce(0) { try $0 + Self.synRetransmissions(in: $1.0) - $1.1 }
            let longest = tallies.map(\.longestMilliseconds).max() ?? 0
            print(
                "first packets: \(Self.names) names, \(clients) clients, \(Int(seconds * 1_000)) ms, longest connection",
                "\(Int(longest)) ms, SYNs sent again \(resent)")

            #expect(tallies.reduce(0) { $0 + $1.connected } == Self.names)
            #expect(tallies.reduce(0) { $0 + $1.unresolved } == 0)
            #expect(tallies.reduce(0) { $0 + $1.refused } == 0)
            #expect(tallies.reduce(0) { $0 + $1.timedOut } == 0)
            #expect(tallies.reduce(0) { $0 + $1.late } == 0)
            #expect(resent == 0)
            let metrics = try node.metrics()
            #expect(metrics["exeat_verdicts_total{reason=\"policy_allow\"}"] >= Double(Self.names))
            #expect(metrics["exeat_kernel_refused_packets_total{reason=\"rejected\"}"] == 0)
            #expect(metrics["exeat_bindings"] == Double(Self.names))
        }

        /// `TcpExt: TCPSynRetrans` of the pod (/proc/net/netstat: a line of names, then one of numbers).
        private static func synRetransmissions(in pod: DemoNetwork.Pod) throws -> Int {
            let lines = try pod.namespace.run(["cat", "/proc/net/netstat"]).stdout.split(separator: "\n").filter { $0.hasPrefix("TcpExt:") }
            try #require(lines.count == 2)
            let names = lines[0].split(separator: " ")
            let place = try #require(names.firstIndex(of: "TCPSynRetrans"))
            return try #require(Int(lines[1].split(separator: " ")[place]))
        }
    }
}
