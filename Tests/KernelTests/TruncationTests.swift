import DemoNetwork
import Foundation
import NetworkTypes
import Testing

extension KernelSuites {
    /// Answers from small to nearly 64 KB, for clients that take more or less over UDP.
    @Suite struct TruncationTests {
        private static let counts = [25, 100, 500, 4_000]
        private static let sizes: [UInt16?] = [nil, 512, 1_232, 4_096]

        private static func name(_ count: Int, _ step: Int) -> String { "n\(count)-\(step)" }

        /// A name of its own for each count and size, each with addresses of its own out of 198.18.0.0/15.
        private static var zone: String {
            var next: UInt32 = 0xc612_0001
            var lines: [String] = []
            for count in counts {
                for step in sizes.indices {
                    for _ in 0..<count {
                        lines.append("\(name(count, step)) 300 A \(IPAddress(v4: next))")
                        next += 1
                    }
                }
            }
            return lines.joined(separator: "\n")
        }

        @Test func `TC is set where the answer has no room, and all addresses of the whole answer are usable at once`() throws {
            let node = try RunningNode(
                NodeSettings(hasFlowLog: false, extra: "limits: {connectionsPerSecond: 50000, connectionsBurst: 50000}\n"),
                zones: ["ladder.example.org": Self.zone],
                policies: ["shop.yaml": PolicyText.allow("shop", domains: ["*.ladder.example.org"]), "rest.yaml": PolicyText.denyRest])
            defer { node.stop() }
            var random = SeededRandom(seed: 1)
            var table: [String] = []
            for count in Self.counts {
                for (step, size) in Self.sizes.enumerated() {
                    let query = GeneratedQuery(
                        id: UInt16(count + step), name: Self.name(count, step) + ".ladder.example.org", type: 1, datagramBytes: size,
                        from: &random)
                    let (first, second) = try node.pod("pod-a").namespace.withThread {
                        let client = try NameClient(server: RunningNode.resolver)
                        return (client.ask(query.bytes), client.askOverTCP(query.bytes))
                    }
                    let datagram = try #require(first.flatMap { WireReply($0) }, "\(query)")
                    let whole = try #require(second.flatMap { WireReply($0) }, "\(query) over TCP")
                    let room = min(1_232, Int(size ?? 512))
                    #expect(datagram.byteCount <= room && datagram.code == 0 && whole.code == 0 && !whole.isTruncated, "\(query)")
                    #expect(datagram.isTruncated == (whole.byteCount > room), "\(query): \(whole.byteCount) bytes, room for \(room)")
                    #expect(datagram.isTruncated || datagram.answer.counted == whole.answer.counted, "\(query)")
                    let addresses = whole.answer.records.compactMap { IPAddress(networkBytes: $0.data.span) }
                    #expect(Set(addresses).count == count, "\(query)")
                    let unreached = try node.pod("pod-a").namespace.withThread {
                        addresses.filter { LabClient.connect(to: $0, port: 80).outcome != .answered }
                    }
                    #expect(unreached.isEmpty, "\(query): \(unreached.count) of \(count) addresses, \(unreached.prefix(5))")
                    table.append(
                        "\(count) addresses, EDNS \(size.map(String.init) ?? "none"): TC \(datagram.isTruncated), \(whole.byteCount) bytes")
                }
            }
            print("truncation: " + table.joined(separator: "; "))
        }
    }
}
