import DNSInterceptor
import Testing

extension DNSWorkerTests {
    /// Upstreams that are there over UDP alone.
    @Suite struct WithoutTCP {
        private static func ask(_ worker: RunningWorker, _ name: String = "www.example.org") throws -> TestReply? {
            let stream = try worker.streamClient()
            stream.sendFrame(TestMessage.query(name))
            return TestReply(stream.receiveFrame())
        }

        @Test(arguments: [FakeUpstream.Streams.refuses, .ignores])
        func `a query that came over TCP is asked over UDP`(_ streams: FakeUpstream.Streams) throws {
            let upstream = try FakeUpstream(streams: streams) { [.reply(TestMessage.reply(to: $0.bytes, [.a(4)]))] }
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream])
            defer { worker.stop() }
            for number in 0..<4 { #expect(try Self.ask(worker, "n\(number).example.org")?.addresses == [4]) }
            #expect(upstream.requests.map(\.isTCP) == [false, false, false, false])
            #expect(worker.counters[.upstreamDown] == 0, "it is well")
            #expect(worker.log.lessons.count == 4)
        }

        @Test func `where TCP is forced it is not`() throws {
            let upstream = try FakeUpstream(streams: .refuses) { [.reply(TestMessage.reply(to: $0.bytes, [.a(4)]))] }
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream]) { $0.root.options.forcesTCP = true }
            defer { worker.stop() }
            #expect(try Self.ask(worker)?.code == 2)
            #expect(try worker.client().ask(TestMessage.query("other.example.org"))?.code == 2)
            #expect(upstream.requests.isEmpty)
        }

        @Test(arguments: [false, true])
        func `an answer that does not fit into UDP is told to be one, and kept by nobody`(_ comesOverTCP: Bool) throws {
            let upstream = try FakeUpstream(streams: .refuses) {
                [.reply(TestMessage.reply(to: $0.bytes, [.a(66)], isTruncated: true))]
            }
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream])
            defer { worker.stop() }
            for asked in 1...2 {
                let reply =
                    try comesOverTCP ? Self.ask(worker) : worker.client().ask(TestMessage.query("www.example.org"))
                let cut = try #require(reply)
                #expect(cut.isTruncated && cut.code == 0 && cut.answerCount == 0)
                #expect(upstream.requests.count == asked)
            }
            #expect(worker.log.lessons.isEmpty && worker.counters[.upstreamDown] == 0)
        }

        @Test func `another upstream that takes TCP has the whole answer`() throws {
            let first = try FakeUpstream(streams: .refuses) { [.reply(TestMessage.reply(to: $0.bytes, [], isTruncated: true))] }
            defer { first.stop() }
            let second = try FakeUpstream.plain(8)
            defer { second.stop() }
            let worker = try RunningWorker(upstreams: [first, second])
            defer { worker.stop() }
            #expect(try Self.ask(worker)?.addresses == [8])
            #expect(first.requests.map(\.isTCP) == [false] && second.requests.map(\.isTCP) == [true])
        }

        @Test func `what fled from forged replies does not come back to UDP`() throws {
            let upstream = try FakeUpstream(streams: .refuses) { request in
                (0..<20 as Range<UInt8>).map {
                    var forged = TestMessage.reply(to: request.bytes, [.a(66)])
                    forged[0] = forged[0] &+ 1 &+ $0
                    return .reply(forged)
                } + [.reply(TestMessage.reply(to: request.bytes, [.a(1)]))]
            }
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream]) { $0.tryTimeoutsMilliseconds = [500] }
            defer { worker.stop() }
            #expect(try Self.ask(worker)?.code == 2)
            #expect(try worker.client().ask(TestMessage.query("other.example.org"))?.code == 2)
            #expect(upstream.requests.map(\.isTCP) == [false, false] && worker.log.lessons.isEmpty)
        }
    }
}
