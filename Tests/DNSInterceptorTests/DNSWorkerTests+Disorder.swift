import DNSInterceptor
import Synchronization
import Testing

extension DNSWorkerTests {
    /// Upstreams that do everything wrong in turn.
    @Suite struct Disorder {
        @Test(arguments: [false, true]) func `whatever upstreams do, no place of theirs is lost`(_ forcesTCP: Bool) throws {
            let isSane = Atomic<Bool>(false)
            let upstreams = try (0..<2).map { which in
                try FakeUpstream { request in
                    let good = TestMessage.reply(to: request.bytes, [.a(1)])
                    guard !isSane.load(ordering: .relaxed) else { return [.reply(good)] }
                    var wrong = TestMessage.reply(to: request.bytes, [.a(66)])
                    switch (request.number + which) % 9 {
                    case 0: return []
                    case 1: return [.hangUp]
                    case 2: return [.replyLater(good, milliseconds: 30)]
                    case 3: return [.replyLater(good, milliseconds: 120)]
                    case 4: return [.reply(TestMessage.reply(to: request.bytes, [], isTruncated: true))]
                    case 5: return [.reply(TestMessage.reply(to: request.bytes, [], code: 2))]
                    case 6:
                        wrong[1] ^= 1
                        return [.reply(wrong)]
                    case 7: return [.reply(TestMessage.reply(to: request.bytes, [], code: 1))]
                    default: return [.reply(good), .hangUp]
                    }
                }
            }
            defer { for upstream in upstreams { upstream.stop() } }
            let worker = try RunningWorker(upstreams: upstreams) {
                $0.root.options.policy = .roundRobin
                $0.root.options.forcesTCP = forcesTCP
                $0.root.options.queriesPerUpstreamMax = 30
                $0.tryTimeoutsMilliseconds = [60, 60, 60, 60]
                $0.totalTimeoutMilliseconds = 400
                $0.probeMilliseconds = 20
                $0.probeTimeoutMilliseconds = 60
            }
            defer { worker.stop() }
            let client = try worker.client()
            var number = 0
            /// So many new names at once; the replies, one for each.
            func ask(_ count: Int) -> [TestReply] {
                for _ in 0..<count {
                    client.send(TestMessage.query("n\(number).example.org", id: UInt16(number)))
                    number += 1
                }
                return (0..<count).compactMap { _ in TestReply(client.receive()) }
            }
            for _ in 0..<20 {
                let first = number
                let replies = ask(25)
                #expect(Set(replies.map { Int($0.id) }) == Set(first..<first + 25), "each query has one answer")
                #expect(replies.allSatisfy { $0.code != 0 || $0.addresses == [1] })
            }
            #expect(worker.counters[.failedUpstreamsFull] == 0)
            isSane.store(true, ordering: .relaxed)
            #expect(eventually { worker.counters[.outstanding] == 0 && worker.counters[.upstreamsDown] == 0 })
            // Nearly as many as both may have together: with places lost, some of these would find none.
            let clients = try (1...10).map { try worker.client(from: "127.0.1.\($0)") }
            for round in 0..<3 {
                for number in 0..<50 { clients[number % 10].send(TestMessage.query("m\(round)-\(number).example.org")) }
                #expect((0..<50).allSatisfy { TestReply(clients[$0 % 10].receive())?.addresses == [1] })
            }
            #expect(worker.counters[.failedUpstreamsFull] == 0 && worker.counters[.upstreamConnectionsOpen] <= 8)
            #expect(worker.log.lessons.allSatisfy { $0.addresses.map(\.lower) == [0xc000_0201] })
        }
    }
}
