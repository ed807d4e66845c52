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
            var contents = Fixture.contents
            contents.upstreams = [TestNetwork.serverAddress, TestNetwork.server6Address]
            return try Fixture(contents: contents) { $0.countsUnaskedAnswers = true }
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
            /// Those wanted, else what there is after a while.
            func counts(awaiting wanted: [UInt64]) throws -> [UInt64] {
                _ = try waitUntil { try counts() == wanted }
                return try counts()
            }

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
            #expect(try counts(awaiting: [1, 0]) == [1, 0], "to a port that nobody has")
            try send(from: server, 54, to: Self.asked)
            #expect(try counts(awaiting: [2, 0]) == [2, 0], "from another port")
            try send(from: other, 53, to: Self.asked)
            #expect(try counts(awaiting: [2, 1]) == [2, 1], "from another server")
            try send(from: other, 54, to: Self.asked)
            #expect(try counts() == [2, 1], "no answer at all")
            #expect(question?.receives(milliseconds: 100) == false)
            question = nil
            try send(from: server, 53, to: Self.asked)
            #expect(try counts(awaiting: [3, 1]) == [3, 1], "after the socket was closed")
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

        @Test(arguments: families)
        func `who is an upstream changes without another rule, and kernel leases stay`(
            server: IPAddress, nodeText: String, otherText: String
        ) throws {
            let fixture = try Self.fixture()
            defer { fixture.stop() }
            let node = IPAddress(parsing: nodeText)!
            let source = server.family == .v4 ? TestNetwork.addressA : TestNetwork.address6A
            func counts() throws -> [UInt64] { [try fixture.counter(.unaskedAnswer), try fixture.counter(.strangerAnswer)] }
            func late() throws {
                let sender = try inNamespace(fixture.network.server) {
                    Client.udp(Endpoint(node, Self.asked), source: Endpoint(server, 53))
                }
                #expect(sender.send(Array("late".utf8)))
            }
            try fixture.table.socket.apply([.setCurrent(source, generation: 1)])
            fixture.script.answer(.lease(1))
            #expect(try fixture.udp(from: fixture.network.podA, to: server).echo() == .reached)
            #expect(try fixture.table.socket.leaseCount() == 1)
            let before = try fixture.table.socket.fingerprint()

            for _ in 0..<2 { try fixture.table.socket.apply([.removeUpstream(server)]) }
            #expect(try fixture.table.socket.contents().upstreams.map(\.family) == [server.family == .v4 ? .v6 : .v4])
            try late()
            #expect(try waitUntil { try counts() == [0, 1] })
            for _ in 0..<2 { try fixture.table.socket.apply([.addUpstream(server)]) }
            #expect(try fixture.table.socket.contents().upstreams == [TestNetwork.serverAddress, TestNetwork.server6Address])
            try late()
            #expect(try waitUntil { try counts() == [1, 1] })
            #expect(try fixture.table.socket.fingerprint() == before)
            #expect(try fixture.table.socket.leaseCount() == 1)
        }

        @Test func `rules do not grow with the number of upstreams, and nft lists them`() throws {
            let fixture = try Self.fixture()
            defer { fixture.stop() }
            func list(_ chain: String) throws -> String { try fixture.node("nft list chain inet exeat \(chain)").text }
            let before = try list("unasked")
            let more = (1...1_000).flatMap {
                [IPAddress(v4: 0x0a00_0000 + $0), IPAddress(v6Upper: 0x2001_0db8_0000_0005, lower: UInt64($0))]
            }
            try fixture.table.socket.apply(more.map(TableChange.addUpstream))
            #expect(try list("unasked") == before)
            #expect(
                try fixture.table.socket.contents().upstreams == Set(more).union([TestNetwork.serverAddress, TestNetwork.server6Address]))
            let text = try fixture.node("nft list ruleset").text
            for part in [
                "jump unasked", "socket transparent <= 1 return", "counter name \"unasked_answer\"",
                "ip saddr @upstreams4 goto no_socket", "ip6 saddr @upstreams6 goto no_socket", "set upstreams4", "10.0.3.232",
                "2001:db8:0:5::3e8",
            ] {
                #expect(text.contains(part), "\(part) not in \(text)")
            }
        }
    }
}
