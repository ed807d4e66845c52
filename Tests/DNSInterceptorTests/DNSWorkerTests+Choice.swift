import DNSInterceptor
import Synchronization
import Testing

extension DNSWorkerTests {
    /// Which upstream is asked, and when a second one is.
    @Suite struct Choice {
        private static func slow(_ last: UInt8, milliseconds: Int) throws -> FakeUpstream {
            try FakeUpstream { [.replyLater(TestMessage.reply(to: $0.bytes, [.a(last)]), milliseconds: milliseconds)] }
        }

        @Test func `by latency the quick upstream gets most questions, wherever it stands in the list`() throws {
            let slow = try Self.slow(1, milliseconds: 60)
            defer { slow.stop() }
            let quick = try FakeUpstream.plain(2)
            defer { quick.stop() }
            let worker = try RunningWorker(upstreams: [slow, quick]) {
                $0.root.options.policy = .latency
                $0.root.options.hedges = false
            }
            defer { worker.stop() }
            let client = try worker.client()
            for number in 0..<40 { #expect(client.ask(TestMessage.query("n\(number).example.org"))?.code == 0) }
            // Once to know it.
            #expect(slow.requests.count >= 1 && slow.requests.count <= 10)
            #expect(quick.requests.count >= 30)
        }

        @Test func `by latency upstreams that are as quick share the questions`() throws {
            let upstreams = try (0..<2).map { try Self.slow($0, milliseconds: 20) }
            defer { for upstream in upstreams { upstream.stop() } }
            let worker = try RunningWorker(upstreams: upstreams) {
                $0.root.options.policy = .latency
                $0.root.options.hedges = false
                // A busy machine may make one look slow for a while.
                $0.latencyHalvingMilliseconds = 50
            }
            defer { worker.stop() }
            let client = try worker.client()
            for number in 0..<60 { #expect(client.ask(TestMessage.query("n\(number).example.org"))?.code == 0) }
            #expect(upstreams.allSatisfy { $0.requests.count >= 5 })
        }

        @Test func `by latency an upstream that fails is left alone at once, not after three failures`() throws {
            let silent = try FakeUpstream { _ in [] }
            defer { silent.stop() }
            let good = try FakeUpstream.plain(4)
            defer { good.stop() }
            let worker = try RunningWorker(upstreams: [silent, good]) {
                $0.root.options.policy = .latency
                $0.root.options.hedges = false
                $0.tryTimeoutsMilliseconds = [800, 1_500]
                $0.totalTimeoutMilliseconds = 2_500
            }
            defer { worker.stop() }
            let client = try worker.client()
            for number in 0..<20 { #expect(client.ask(TestMessage.query("n\(number).example.org"))?.addresses == [4]) }
            #expect(silent.requests.count <= 1)
        }

        @Test func `by latency a slow upstream is tried again after a while, and taken when it has become quick`() throws {
            let isSlow = Atomic<Bool>(true)
            let changing = try FakeUpstream { request in
                let reply = TestMessage.reply(to: request.bytes, [.a(1)])
                return isSlow.load(ordering: .relaxed) ? [.replyLater(reply, milliseconds: 100)] : [.reply(reply)]
            }
            defer { changing.stop() }
            let steady = try Self.slow(2, milliseconds: 20)
            defer { steady.stop() }
            let worker = try RunningWorker(upstreams: [changing, steady]) {
                $0.root.options.policy = .latency
                $0.root.options.hedges = false
                $0.latencyHalvingMilliseconds = 100
            }
            defer { worker.stop() }
            let client = try worker.client()
            var number = 0
            func ask() -> [UInt8]? {
                number += 1
                return client.ask(TestMessage.query("n\(number).example.org"))?.addresses
            }
            func isTriedAgain() -> Bool {
                _ = ask()
                return changing.requests.count >= 3
            }
            #expect(eventually { isTriedAgain() })
            isSlow.store(false, ordering: .relaxed)
            #expect(eventually { (0..<5).allSatisfy { _ in ask() == [1] } })
        }

        @Test func `in rotation each upstream gets its turn`() throws {
            let upstreams = try (0..<3).map { try FakeUpstream.plain(UInt8($0)) }
            defer { for upstream in upstreams { upstream.stop() } }
            let worker = try RunningWorker(upstreams: upstreams) {
                $0.root.options.policy = .roundRobin
                $0.root.options.hedges = false
            }
            defer { worker.stop() }
            let client = try worker.client()
            let answers = (0..<9).map { client.ask(TestMessage.query("n\($0).example.org"))?.addresses }
            #expect(answers == (0..<9).map { [UInt8($0 % 3)] })
        }

        @Test func `at random every upstream is asked`() throws {
            let upstreams = try (0..<3).map { try FakeUpstream.plain(UInt8($0)) }
            defer { for upstream in upstreams { upstream.stop() } }
            let worker = try RunningWorker(upstreams: upstreams) {
                $0.root.options.policy = .random
                $0.root.options.hedges = false
            }
            defer { worker.stop() }
            let client = try worker.client()
            // One of them is left out by chance once in 10^17 runs.
            for number in 0..<100 { #expect(client.ask(TestMessage.query("n\(number).example.org"))?.code == 0) }
            #expect(upstreams.allSatisfy { !$0.requests.isEmpty })
        }

        // MARK: hedges

        /// Two upstreams of which the one that is asked first for a slow name never answers it.
        private static func pair() throws -> (one: FakeUpstream, other: FakeUpstream) {
            let one = try FakeUpstream { request in
                request.name.hasPrefix("slow") ? [] : [.reply(TestMessage.reply(to: request.bytes, [.a(1)]))]
            }
            return (one, try FakeUpstream.plain(2))
        }

        @Test func `when the first upstream is late the second is asked too, and the first good answer wins`() throws {
            let (one, other) = try Self.pair()
            defer { for upstream in [one, other] { upstream.stop() } }
            let worker = try RunningWorker(upstreams: [one, other]) {
                $0.root.options.policy = .roundRobin
                // Without a second upstream there would be no answer.
                $0.tryTimeoutsMilliseconds = [60_000, 60_000]
                $0.totalTimeoutMilliseconds = 60_000
            }
            defer { worker.stop() }
            let client = try worker.client()
            #expect(client.ask(TestMessage.query("slow.example.org"))?.addresses == [2])
            #expect(one.requests.count == 1 && other.requests.count == 1)
            #expect(worker.counters[.upstreamHedges] == 1 && worker.counters[.upstreamHedgesWon] == 1)
            #expect(worker.counters[.upstreamTimeouts] == 0 && worker.counters[.upstreamDown] == 0)
            #expect(eventually { worker.counters[.outstanding] == 0 })
        }

        @Test func `the first upstream may still win, and what the second says later goes nowhere`() throws {
            let one = try Self.slow(1, milliseconds: 300)
            defer { one.stop() }
            let other = try Self.slow(2, milliseconds: 1_000)
            defer { other.stop() }
            let worker = try RunningWorker(upstreams: [one, other]) {
                $0.root.options.policy = .roundRobin
                $0.tryTimeoutsMilliseconds = [60_000, 60_000]
                $0.totalTimeoutMilliseconds = 60_000
            }
            defer { worker.stop() }
            let client = try worker.client()
            #expect(client.ask(TestMessage.query("www.example.org"))?.addresses == [1])
            #expect(other.requests.count == 1)
            #expect(worker.counters[.upstreamHedges] == 1 && worker.counters[.upstreamHedgesWon] == 0)
            client.limitWait(milliseconds: 1_200)
            #expect(client.receive() == nil, "one answer for one query")
            #expect(worker.log.lessons.count == 1)
        }

        @Test func `an error of the second is not taken while the first is open`() throws {
            let one = try Self.slow(1, milliseconds: 500)
            defer { one.stop() }
            let bad = try FakeUpstream { [.reply(TestMessage.reply(to: $0.bytes, [], code: 2))] }
            defer { bad.stop() }
            let worker = try RunningWorker(upstreams: [one, bad]) {
                $0.root.options.policy = .roundRobin
                $0.tryTimeoutsMilliseconds = [60_000, 60_000]
                $0.totalTimeoutMilliseconds = 60_000
            }
            defer { worker.stop() }
            #expect(try worker.client().ask(TestMessage.query("www.example.org"))?.addresses == [1])
            #expect(bad.requests.count == 1 && worker.counters[.upstreamServerFailures] == 1)
        }

        @Test func `when both are silent the question ends, and nothing is left of it`() throws {
            let upstreams = try (0..<2).map { _ in try FakeUpstream { _ in [] } }
            defer { for upstream in upstreams { upstream.stop() } }
            let worker = try RunningWorker(upstreams: upstreams) {
                $0.root.options.policy = .roundRobin
                $0.tryTimeoutsMilliseconds = [400, 400, 400]
            }
            defer { worker.stop() }
            let reply = try worker.client().ask(TestMessage.query("www.example.org"))
            #expect(reply?.code == 2 && reply?.extendedError == 22)
            #expect(worker.counters[.upstreamHedges] == 1)
            #expect(upstreams.map { $0.requests.count }.reduce(0, +) == 3)
            #expect(eventually { worker.counters[.outstanding] == 0 && worker.counters[.waiting] == 0 })
        }

        @Test func `hedges are bounded: a slow upstream does not double the questions`() throws {
            let one = try Self.slow(1, milliseconds: 600)
            defer { one.stop() }
            let other = try Self.slow(2, milliseconds: 600)
            defer { other.stop() }
            let worker = try RunningWorker(upstreams: [one, other]) {
                $0.root.options.policy = .roundRobin
                $0.tryTimeoutsMilliseconds = [60_000, 60_000]
                $0.totalTimeoutMilliseconds = 60_000
            }
            defer { worker.stop() }
            let client = try worker.client()
            for number in 0..<50 { client.send(TestMessage.query("n\(number).example.org", id: UInt16(number))) }
            let replies = (0..<50).compactMap { _ in TestReply(client.receive()) }
            #expect(Set(replies.map(\.id)).count == 50)
            // Ten to begin with, and one for ten questions.
            #expect(worker.counters[.upstreamHedges] >= 10 && worker.counters[.upstreamHedges] <= 15)
            #expect(worker.counters[.upstreamHedgesDenied] >= 35)
            #expect(one.requests.count + other.requests.count <= 65)
        }

        @Test(arguments: [true, false]) func `nobody is asked twice in order, or without leave`(_ isSequential: Bool) throws {
            let one = try Self.slow(1, milliseconds: 500)
            defer { one.stop() }
            let other = try FakeUpstream.plain(2)
            defer { other.stop() }
            let worker = try RunningWorker(upstreams: [one, other]) {
                $0.root.options.policy = isSequential ? .sequential : .roundRobin
                $0.root.options.hedges = isSequential
                $0.tryTimeoutsMilliseconds = [60_000, 60_000]
                $0.totalTimeoutMilliseconds = 60_000
            }
            defer { worker.stop() }
            #expect(try worker.client().ask(TestMessage.query("www.example.org"))?.addresses == [1])
            #expect(other.requests.isEmpty && worker.counters[.upstreamHedges] == 0)
        }

        @Test func `hedges go over TCP connections too, and their places come free`() throws {
            let (one, other) = try Self.pair()
            defer { for upstream in [one, other] { upstream.stop() } }
            let worker = try RunningWorker(upstreams: [one, other]) {
                $0.root.options.policy = .roundRobin
                $0.root.options.forcesTCP = true
                $0.tryTimeoutsMilliseconds = [60_000, 60_000]
                $0.totalTimeoutMilliseconds = 60_000
            }
            defer { worker.stop() }
            let client = try worker.client()
            #expect(client.ask(TestMessage.query("slow.example.org"))?.addresses == [2])
            #expect(client.ask(TestMessage.query("www.example.org"))?.addresses != nil)
            #expect(worker.counters[.upstreamHedgesWon] == 1 && worker.counters[.upstreamConnectionsOpened] == 2)
        }
    }
}
