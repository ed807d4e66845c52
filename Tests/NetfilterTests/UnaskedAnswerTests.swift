import NetfilterTables
import NetworkTypes
import Testing

extension KernelSuites {
    /// `TableConfiguration.countsUnaskedAnswers`.
    @Suite(.serialized)
    struct UnaskedAnswerTests {
        private static let asked: UInt16 = 40_000
        private static let open: UInt16 = 40_100

        /// A server that is asked, the node, and another server.
        private static let families = [
            (TestNetwork.serverAddress, "198.51.100.1", "198.51.100.11"),
            (TestNetwork.server6Address, "2001:db8:2::1", "2001:db8:2::11"),
        ]

        private static func fixture() throws -> Fixture {
            try Fixture {
                $0.countsUnaskedAnswers = true
                $0.upstreams = [TestNetwork.serverAddress, TestNetwork.server6Address]
            }
        }

        @Test(arguments: families)
        func `what no socket waits for is counted, by whether an upstream sent it`(
            server: IPAddress, nodeText: String, otherText: String
        ) throws {
            let fixture = try Self.fixture()
            defer { fixture.stop() }
            let network = fixture.network
            let (node, other) = (IPAddress(parsing: nodeText)!, IPAddress(parsing: otherText)!)
            try inNamespace(network.server) {
                try shell("ip addr add \(other)/\(other.family == .v4 ? "24 dev eth0" : "64 dev eth0 nodad")")
            }
            func send(from source: IPAddress, _ port: UInt16, to target: UInt16) throws {
                let sender = try inNamespace(network.server) {
                    Client.udp(Endpoint(node, target), source: Endpoint(source, port))
                }
                #expect(sender.send(Array("late".utf8)))
            }
            func counts() throws -> [UInt64] { [try fixture.counter(.unaskedAnswer), try fixture.counter(.strangerAnswer)] }
            func becomes(_ wanted: [UInt64]) throws -> Bool { try waitUntil { try counts() == wanted } }

            var question: Client? = try inNamespace(network.node) {
                Client.udp(Endpoint(server, 53), source: Endpoint(node, Self.asked))
            }
            try send(from: server, 53, to: Self.asked)
            #expect(question?.receives() == true)
            #expect(try counts() == [0, 0])
            // A socket that takes datagrams from anybody.
            let echo = try EchoServer(network.node, [Endpoint(node, Self.open)])
            defer { echo.stop() }
            for source in [server, other] {
                let sender = try inNamespace(network.server) { Client.udp(Endpoint(node, Self.open), source: Endpoint(source, 53)) }
                #expect(sender.echo() == .reached)
            }
            #expect(try counts() == [0, 0])

            try send(from: server, 53, to: Self.asked + 1)
            #expect(try becomes([1, 0]), "to a port that nobody has")
            try send(from: server, 54, to: Self.asked)
            #expect(try becomes([2, 0]), "from another port")
            try send(from: other, 53, to: Self.asked)
            #expect(try becomes([2, 1]), "from another server")
            try send(from: other, 54, to: Self.asked)
            #expect(try counts() == [2, 1], "no answer at all")
            #expect(question?.receives(milliseconds: 100) == false)
            question = nil
            try send(from: server, 53, to: Self.asked)
            #expect(try becomes([3, 1]), "after the socket was closed")
        }

        @Test func `a late answer that is asked about is counted once`() throws {
            let fixture = try Self.fixture()
            defer { fixture.stop() }
            let network = fixture.network
            let node = IPAddress(parsing: "198.51.100.1")!
            fixture.script.answer(.allow(1))
            try fixture.table.socket.apply([.addPoliced(node), .setCurrent(node, generation: 1)])
            var question: Client? = try inNamespace(network.node) {
                Client.udp(Endpoint(TestNetwork.serverAddress, 53), source: Endpoint(node, Self.asked))
            }
            #expect(question?.send([1]) == true)
            #expect(waitUntil { !fixture.script.take().isEmpty }, "the question is asked about")
            question = nil
            // The flow's verdict is no longer current: its next packet goes to the queue and comes back.
            try fixture.table.socket.apply([.setCurrent(node, generation: 2)])
            fixture.script.answer(.allow(2))
            let sender = try inNamespace(network.server) {
                Client.udp(Endpoint(node, Self.asked), source: Endpoint(TestNetwork.serverAddress, 53))
            }
            #expect(sender.send([2]))
            #expect(waitUntil { !fixture.script.take().isEmpty }, "the answer is asked about")
            #expect(waitUntil { (try? fixture.counter(.unaskedAnswer)) == 1 })
            #expect(try fixture.counter(.unaskedAnswer) == 1)
        }

        @Test func `the node's own processes that give up on the resolver are no strangers' answers`() throws {
            let fixture = try Self.fixture()
            defer { fixture.stop() }
            var question: Client? = try inNamespace(fixture.network.node) { Client.udp(Endpoint(TestNetwork.dnsAddress, 53)) }
            for _ in 0..<5 { #expect(question?.send([1]) == true) }
            question = nil
            #expect(try fixture.udp(from: fixture.network.node, to: TestNetwork.dnsAddress, 53).echo() == .reached)
            #expect(try fixture.counter(.strangerAnswer) == 0)
        }

        @Test func `nft lists the rules`() throws {
            let fixture = try Self.fixture()
            defer { fixture.stop() }
            let text = try fixture.node("nft list ruleset").text
            for part in ["jump unasked", "socket transparent <= 1 return", "counter name \"unasked_answer\"", "goto no_socket"] {
                #expect(text.contains(part), "\(part) not in \(text)")
            }
        }
    }
}
