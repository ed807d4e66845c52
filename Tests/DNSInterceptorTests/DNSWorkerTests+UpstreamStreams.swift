import DNSInterceptor
import Testing

extension DNSWorkerTests {
    /// TCP to upstreams.
    @Suite struct UpstreamStreams {
        private static func worker(
            _ upstreams: [FakeUpstream], _ change: (inout DNSWorkerConfiguration) -> Void = { _ in }
        ) throws -> RunningWorker {
            try RunningWorker(upstreams: upstreams) {
                $0.root.options.forcesTCP = true
                change(&$0)
            }
        }

        @Test func `questions share one connection, each with an id of its own`() throws {
            let upstream = try FakeUpstream.plain(4)
            defer { upstream.stop() }
            let worker = try Self.worker([upstream])
            defer { worker.stop() }
            let client = try worker.client()
            for number in 0..<20 { #expect(client.ask(TestMessage.query("n\(number).example.org"))?.addresses == [4]) }
            #expect(upstream.requests.count == 20 && upstream.requests.allSatisfy { $0.isTCP && $0.connection == 0 })
            #expect(worker.counters[.upstreamConnectionsOpened] == 1 && worker.counters[.upstreamConnectionsReused] == 19)
            #expect(worker.counters[.upstreamConnectionsOpen] == 1)
        }

        @Test func `replies out of order find their questions`() throws {
            let upstream = try FakeUpstream { request in
                // Of a batch of eight the last comes back first.
                let place = UInt8(request.name.dropFirst().prefix { $0 != "." }) ?? 0
                return [.replyLater(TestMessage.reply(to: request.bytes, [.a(place)]), milliseconds: 150 - 15 * Int(place))]
            }
            defer { upstream.stop() }
            let worker = try Self.worker([upstream]) { $0.root.options.connectionsPerUpstreamMax = 1 }
            defer { worker.stop() }
            let client = try worker.client()
            for number in 0..<8 { client.send(TestMessage.query("n\(number).example.org", id: UInt16(number))) }
            let replies = (0..<8).compactMap { _ in TestReply(client.receive()) }
            #expect(replies.allSatisfy { $0.addresses == [UInt8($0.id)] })
            #expect(Set(replies.map(\.id)) == Set(0..<8))
            #expect(replies.map(\.id) != Array(0..<8), "the order is the upstream's")
            #expect(Set(upstream.requests.map { Array($0.bytes[0..<2]) }).count == 8, "ids are unique")
            #expect(worker.counters[.upstreamConnectionsOpened] == 1)
        }

        @Test func `many questions spread over a few connections and no more`() throws {
            let upstream = try FakeUpstream { [.replyLater(TestMessage.reply(to: $0.bytes, [.a(1)]), milliseconds: 100)] }
            defer { upstream.stop() }
            let worker = try Self.worker([upstream]) { $0.root.options.connectionsPerUpstreamMax = 3 }
            defer { worker.stop() }
            let client = try worker.client()
            for number in 0..<200 { client.send(TestMessage.query("n\(number).example.org", id: UInt16(number))) }
            let replies = (0..<200).compactMap { _ in TestReply(client.receive()) }
            #expect(Set(replies.map(\.id)).count == 200 && replies.allSatisfy { $0.addresses == [1] })
            #expect(Set(upstream.requests.map(\.connection)) == [0, 1, 2])
            #expect(worker.counters[.upstreamConnectionsOpened] == 3)
        }

        @Test func `a connection that the server has closed while idle is replaced, and nobody notices`() throws {
            let upstream = try FakeUpstream { [.reply(TestMessage.reply(to: $0.bytes, [.a(1)])), .hangUp] }
            defer { upstream.stop() }
            let worker = try Self.worker([upstream])
            defer { worker.stop() }
            let client = try worker.client()
            for number in 0..<5 {
                #expect(client.ask(TestMessage.query("n\(number).example.org"))?.addresses == [1])
                #expect(eventually { worker.counters[.upstreamConnectionsOpen] == 0 })
            }
            #expect(worker.counters[.upstreamTCPFailures] == 0 && worker.counters[.upstreamConnectionsOpened] == 5)
        }

        @Test func `a connection that breaks under questions fails them over to another, at the same upstream`() throws {
            let upstream = try FakeUpstream(FakeUpstream.breaksFirstConnection)
            defer { upstream.stop() }
            let worker = try Self.worker([upstream]) { $0.tryTimeoutsMilliseconds = [60_000] }
            defer { worker.stop() }
            try worker.askFourThroughABreak()
            #expect(worker.counters[.upstreamConnectionsReopened] == 4 && worker.counters[.upstreamTCPFailures] == 0)
            #expect(worker.counters[.upstreamConnectionsOpened] == 2)
        }

        @Test func `a server that ends every connection without an answer is left for the next one`() throws {
            let broken = try FakeUpstream { _ in [.hangUp] }
            defer { broken.stop() }
            let good = try FakeUpstream.plain(8)
            defer { good.stop() }
            let worker = try Self.worker([broken, good]) { $0.tryTimeoutsMilliseconds = [60_000, 60_000] }
            defer { worker.stop() }
            #expect(try worker.client().ask(TestMessage.query("www.example.org"))?.addresses == [8])
            #expect(worker.counters[.upstreamTCPFailures] == 1 && worker.counters[.upstreamConnectionsReopened] == 0)
        }

        @Test func `a port without TCP is noticed at once`() throws {
            let closed = try FakeUpstream.plain()
            closed.stop()
            let good = try FakeUpstream.plain(8)
            defer { good.stop() }
            let worker = try Self.worker([closed, good]) { $0.tryTimeoutsMilliseconds = [60_000, 60_000] }
            defer { worker.stop() }
            #expect(try worker.client().ask(TestMessage.query("www.example.org"))?.addresses == [8])
        }

        @Test func `a connection on which nothing comes is given up with the question that waited too long`() throws {
            let upstream = try FakeUpstream { request in
                request.connection == 0 && request.numberOnConnection > 0 ? [] : [.reply(TestMessage.reply(to: request.bytes, [.a(1)]))]
            }
            defer { upstream.stop() }
            let worker = try Self.worker([upstream])
            defer { worker.stop() }
            let client = try worker.client()
            #expect(client.ask(TestMessage.query("first.example.org"))?.addresses == [1])
            #expect(client.ask(TestMessage.query("second.example.org"))?.addresses == [1])
            #expect(worker.counters[.upstreamTimeouts] == 1 && worker.counters[.upstreamConnectionsOpened] == 2)
            #expect(upstream.requests.map(\.connection) == [0, 0, 1])
        }

        @Test func `an answer that comes too late is dropped, and the connection goes on`() throws {
            let upstream = try FakeUpstream { request in
                let reply = TestMessage.reply(to: request.bytes, [.a(request.name == "slow.example.org" ? 66 : 1)])
                return request.name == "slow.example.org" ? [.replyLater(reply, milliseconds: 400)] : [.reply(reply)]
            }
            defer { upstream.stop() }
            let worker = try Self.worker([upstream]) {
                $0.root.options.connectionsPerUpstreamMax = 1
                $0.tryTimeoutsMilliseconds = [300]
                $0.failureSeconds = 0
            }
            defer { worker.stop() }
            let client = try worker.client()
            let other = try worker.client()
            client.send(TestMessage.query("slow.example.org"))
            // What comes meanwhile shows that the connection lives.
            for number in 0..<10 { #expect(other.ask(TestMessage.query("n\(number).example.org"))?.addresses == [1]) }
            #expect(TestReply(client.receive())?.code == 2)
            #expect(worker.log.lessons.count == 10)
            for number in 10..<200 { #expect(other.ask(TestMessage.query("n\(number).example.org"))?.addresses == [1]) }
            #expect(worker.log.lessons.allSatisfy { $0.addresses.map(\.lower) == [0xc000_0201] })
            #expect(worker.counters[.wrongIdentifier] == 0)
        }

        enum Lie: CaseIterable, Sendable { case identifier, question, query, short }

        @Test(arguments: Lie.allCases) func `what is not asked for is not believed over TCP either`(_ lie: Lie) throws {
            let liar = try FakeUpstream { request in
                var forged = TestMessage.reply(to: request.bytes, [.a(66)])
                switch lie {
                case .identifier: forged[1] ^= 1
                case .question: forged[13] = forged[13] == 0x78 ? 0x79 : 0x78
                case .query: forged[2] &= 0x7f
                case .short: forged = [0, 1, 2]
                }
                return [.reply(forged)]
            }
            defer { liar.stop() }
            let good = try FakeUpstream.plain(8)
            defer { good.stop() }
            let worker = try Self.worker([liar, good])
            defer { worker.stop() }
            let client = try worker.client()
            for number in 0..<4 { #expect(client.ask(TestMessage.query("n\(number).example.org"))?.addresses == [8]) }
            #expect(worker.log.lessons.count == 4)
            let counted: DNSCounter =
                switch lie {
                case .identifier: .wrongIdentifier
                case .question: .wrongQuestion
                case .query, .short: .wrongForm
                }
            #expect(worker.counters[counted] >= 3)
        }

        @Test func `an idle connection is closed after its time`() throws {
            let upstream = try FakeUpstream.plain(4)
            defer { upstream.stop() }
            let worker = try Self.worker([upstream]) { $0.root.options.idleSeconds = 1 }
            defer { worker.stop() }
            let client = try worker.client()
            #expect(client.ask(TestMessage.query("one.example.org"))?.addresses == [4])
            #expect(worker.counters[.upstreamConnectionsOpen] == 1)
            #expect(eventually { worker.counters[.upstreamConnectionsOpen] == 0 })
            #expect(client.ask(TestMessage.query("two.example.org"))?.addresses == [4])
            #expect(upstream.requests.map(\.connection) == [0, 1])
        }
    }
}
