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

        /// Answers of 2 to 60 addresses.
        private static let widths = (1...10).map { 2 + 58 * ($0 - 1) / 9 }

        /// What a pod's socket is sent in answer to queries that have come all at once; `mtu`: of the way to the pod.
        @Test(arguments: [(true, 1_500), (true, 700), (false, 1_500)])
        func `answers that leave together arrive each by itself, also where the way is too narrow for that`(
            coalesces: Bool, mtu: Int
        ) throws {
            let zone = Self.widths.flatMap { width in (0..<width).map { "w\(width) 300 A 198.18.\(width).\($0 + 1)" } }
            let node = try RunningNode(
                NodeSettings(dns: "  coalesceAnswers: \(coalesces)\n"), zones: ["ladder.example.org": zone.joined(separator: "\n")],
                policies: ["shop.yaml": PolicyText.allow("shop", domains: ["*.ladder.example.org"]), "rest.yaml": PolicyText.denyRest])
            defer { node.stop() }
            var random = SeededRandom(seed: 1)
            func query(_ width: Int) -> [UInt8] {
                let name = "w\(width).ladder.example.org"
                return GeneratedQuery(id: UInt16(width), name: name, type: 1, datagramBytes: 1_232, from: &random).bytes
            }
            let pod = try node.pod("pod-a")
            try #require(node.lab.node.run(["ip", "link", "set", pod.interfaceOnNode, "mtu", "\(mtu)"]).isSuccess)
            // The third one's queries are translated on their way, and the answers on theirs.
            let clients = try [RunningNode.resolver, RunningNode.resolver, IPAddress(v4: 0xc000_0263)].map {
                try DatagramClient(in: pod.namespace, to: $0, port: 53)
            }
            for width in Self.widths {
                clients[0].send(query(width))
                try #require(clients[0].replies(1).count == 1)
            }
            let daemon = try node.suspend()
            for width in Self.widths { clients[0].send(query(width)) }
            // Of one length.
            for client in clients[1...] { for _ in 0..<3 { client.send(query(60)) } }
            daemon.kill(SIGCONT)
            for (client, widths) in zip(clients, [Self.widths, [60, 60, 60], [60, 60, 60]]) {
                let replies = client.replies(widths.count)
                #expect(replies.map { Int($0[0]) << 8 | Int($0[1]) }.sorted() == widths)
                for reply in replies {
                    let read = try #require(WireReply(reply))
                    let width = Int(reply[0]) << 8 | Int(reply[1])
                    let addresses = read.answer.records.compactMap { IPAddress(networkBytes: $0.data.span) }
                    #expect(Set(addresses) == Set((1...width).map { IPAddress(v4: 0xc612_0000 | UInt32(width) << 8 | UInt32($0)) }))
                }
                #expect(client.answers(quietMilliseconds: 100) == 0)
            }
            let coalesced = try node.metrics()["exeat_dns_answers_coalesced_total"]
            // With 12 bytes of header, the question and OPT, 39 addresses and more are longer than 672 bytes.
            switch (coalesces, mtu) {
            case (true, 1_500): #expect(coalesced == 16)
            case (true, _): #expect(coalesced == 6)
            default: #expect(coalesced == 0)
            }
            #expect(try node.metrics()["exeat_dns_datagrams_lost_total{direction=\"out\"}"] == 0)
        }
    }
}
