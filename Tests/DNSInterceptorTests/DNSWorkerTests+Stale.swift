import DNSInterceptor
import Glibc
import Synchronization
import Testing

extension DNSWorkerTests {
    /// Answers that have expired where no other can be had (RFC 8767), and those that are fetched before they expire.
    @Suite struct Stale {
        /// What the upstream does from now on.
        enum Mood: Int {
            case well, silent, serverFailure, refused, slow, withoutTTL, large, flaky
        }

        final class Upstream: Sendable {
            let server: FakeUpstream

            /// Address 1 with this TTL while it is well, 2 once `turn` was called; `gone.` does not exist.
            init(ttl: UInt32) throws {
                let box = Box()
                server = try FakeUpstream { request in
                    let mood = Mood(rawValue: box.mood.load(ordering: .sequentiallyConsistent)) ?? .well
                    let address = UInt8(box.turns.load(ordering: .sequentiallyConsistent) + 1)
                    let soa = TestMessage.Record.soa(of: "example.org", ttl: ttl, minimum: ttl)
                    let good =
                        request.name.hasPrefix("gone.")
                        ? TestMessage.reply(to: request.bytes, [], authority: [soa], code: 3)
                        : TestMessage.reply(to: request.bytes, [.a(address, ttl: mood == .withoutTTL ? 0 : ttl)])
                    switch mood {
                    case .flaky where request.number % 2 == 0: return [.reply(TestMessage.reply(to: request.bytes, [], code: 2))]
                    case .well, .flaky, .withoutTTL: return [.reply(good)]
                    case .large:
                        return [.reply(TestMessage.reply(to: request.bytes, Array(repeating: .a(address, ttl: ttl), count: 30)))]
                    case .silent: return []
                    case .serverFailure: return [.reply(TestMessage.reply(to: request.bytes, [], code: 2))]
                    case .refused: return [.reply(TestMessage.reply(to: request.bytes, [], code: 5))]
                    case .slow: return [.replyLater(good, milliseconds: 500)]
                    }
                }
                self.box = box
            }

            private let box: Box

            func turn(_ mood: Mood, newAddress: Bool = false) {
                if newAddress { box.turns.add(1, ordering: .sequentiallyConsistent) }
                box.mood.store(mood.rawValue, ordering: .sequentiallyConsistent)
            }

            func stop() { server.stop() }

            private final class Box: Sendable {
                let mood = Atomic<Int>(0)
                let turns = Atomic<Int>(0)
            }
        }

        private func worker(_ upstream: Upstream, _ change: (inout DNSWorkerConfiguration) -> Void = { _ in }) throws -> RunningWorker {
            try RunningWorker(upstreams: [upstream.server]) {
                $0.tryTimeoutsMilliseconds = [50, 50]
                $0.staleClientTimeoutMilliseconds = 5_000
                $0.prefetchHitsMin = 0
                change(&$0)
            }
        }

        @Test(arguments: [Mood.silent, .serverFailure, .refused])
        func `where upstreams fail an expired answer is learned and given out, and the new one when they are back`(_ mood: Mood) throws {
            let upstream = try Upstream(ttl: 2)
            defer { upstream.stop() }
            let worker = try worker(upstream) { $0.staleAnswerSeconds = 1 }
            defer { worker.stop() }
            let client = try worker.client()
            let stream = try worker.streamClient()
            let query = TestMessage.query("www.example.org")
            #expect(client.ask(query)?.addresses == [1])
            usleep(2_100_000)
            upstream.turn(mood)
            let reply = try #require(client.ask(query))
            #expect(reply.code == 0 && reply.addresses == [1] && reply.extendedError == 3)
            #expect(reply.ttls == [1], "no longer than configured")
            #expect(worker.log.lessons.map(\.ttl) == [2, 1], "learned for as long as it is handed out")
            #expect(worker.counters[.staleFailed] == 1)
            // The failure is remembered: nobody waits for the next one.
            stream.sendFrame(query)
            let next = try #require(TestReply(stream.receiveFrame()))
            #expect(next.addresses == [1] && next.extendedError == 3)
            #expect(worker.counters[.staleFailing] == 1)
            #expect(TestReply(try worker.client().ask(TestMessage.query("www.example.org", edns: nil))?.bytes)?.hasEDNS == false)
            upstream.turn(.well, newAddress: true)
            #expect(
                eventually {
                    let reply = client.ask(query)
                    return reply?.addresses == [2] && reply?.extendedError == nil
                })
            #expect(worker.counters[.refreshesStale] >= 1)
            #expect(eventually { worker.counters[.outstanding] == 0 && worker.counters[.waiting] == 0 })
        }

        @Test func `who waits too long gets the expired answer, and the new one is kept when it comes`() throws {
            let upstream = try Upstream(ttl: 1)
            defer { upstream.stop() }
            let worker = try worker(upstream) {
                $0.tryTimeoutsMilliseconds = [2_000]
                $0.totalTimeoutMilliseconds = 2_000
                $0.staleClientTimeoutMilliseconds = 50
            }
            defer { worker.stop() }
            let clients = try (0..<3).map { _ in try worker.client() }
            let query = TestMessage.query("www.example.org")
            #expect(clients[0].ask(query)?.addresses == [1])
            usleep(1_100_000)
            upstream.turn(.slow, newAddress: true)
            for client in clients { client.send(query) }
            for client in clients {
                let reply = try #require(TestReply(client.receive()))
                #expect(reply.addresses == [1] && reply.extendedError == 3)
            }
            #expect(worker.counters[.staleLate] == 3)
            #expect(eventually { upstream.server.requests.count == 2 })
            #expect(eventually { clients[0].ask(query)?.addresses == [2] })
            #expect(upstream.server.requests.count == 2, "the question that was late has refreshed the answer")
        }

        @Test func `lookups go on while the upstream is dead, then fails every other time, and follow it when it is well`() throws {
            let upstream = try Upstream(ttl: 1)
            defer { upstream.stop() }
            let worker = try worker(upstream) { $0.staleClientTimeoutMilliseconds = 100 }
            defer { worker.stop() }
            let client = try worker.client()
            let queries = (0..<40).map { TestMessage.query("n\($0).example.org") }
            for query in queries { #expect(client.ask(query)?.addresses == [1]) }
            usleep(1_100_000)
            for mood in [Mood.silent, .flaky] {
                upstream.turn(mood)
                for _ in 0..<3 {
                    for query in queries {
                        let reply = try #require(client.ask(query))
                        #expect(reply.code == 0 && reply.addresses == [1])
                    }
                    usleep(400_000)
                }
            }
            #expect(worker.counters[.staleFailed] + worker.counters[.staleLate] >= 40 && worker.counters[.staleFailing] >= 40)
            upstream.turn(.well, newAddress: true)
            for query in queries { #expect(eventually { client.ask(query)?.addresses == [2] }) }
            #expect(eventually { worker.counters[.outstanding] == 0 && worker.counters[.waiting] == 0 })
        }

        @Test func `with a client timeout of 0 the expired answer is given at once`() throws {
            let upstream = try Upstream(ttl: 1)
            defer { upstream.stop() }
            let worker = try worker(upstream) { $0.staleClientTimeoutMilliseconds = 0 }
            defer { worker.stop() }
            let client = try worker.client()
            let query = TestMessage.query("www.example.org")
            #expect(client.ask(query)?.addresses == [1])
            usleep(1_100_000)
            upstream.turn(.well, newAddress: true)
            #expect(client.ask(query)?.extendedError == 3)
            #expect(eventually { client.ask(query)?.addresses == [2] })
        }

        @Test func `an expired NXDOMAIN says that it is stale`() throws {
            let upstream = try Upstream(ttl: 1)
            defer { upstream.stop() }
            let worker = try worker(upstream)
            defer { worker.stop() }
            let client = try worker.client()
            let query = TestMessage.query("gone.example.org")
            #expect(client.ask(query)?.code == 3)
            usleep(1_100_000)
            upstream.turn(.serverFailure)
            let reply = try #require(client.ask(query))
            #expect(reply.code == 3 && reply.extendedError == 19)
        }

        @Test func `an expired answer passes the gate like any other`() throws {
            let upstream = try Upstream(ttl: 1)
            defer { upstream.stop() }
            let worker = try worker(upstream)
            defer { worker.stop() }
            let client = try worker.client()
            let query = TestMessage.query("www.example.org")
            #expect(client.ask(query)?.addresses == [1])
            usleep(1_100_000)
            upstream.turn(.serverFailure)
            worker.log.release = .refuse(.namesPerClientFull)
            let reply = try #require(client.ask(query))
            #expect(reply.code == 2 && reply.addresses.isEmpty)
            worker.log.release = .release(timeToLiveCapSeconds: 0)
            #expect(client.ask(query)?.ttls == [0])
            // Whoever is not policed learns nothing.
            let lessons = worker.log.lessons.count
            #expect(try worker.client(from: "127.0.0.2").ask(query)?.addresses == [1])
            #expect(worker.log.lessons.count == lessons)
        }

        @Test(arguments: [UInt32(0), 1])
        func `an answer that expired too long ago is not given out`(_ staleSecondsMax: UInt32) throws {
            let upstream = try Upstream(ttl: 1)
            defer { upstream.stop() }
            let worker = try worker(upstream) { $0.staleSecondsMax = staleSecondsMax }
            defer { worker.stop() }
            let client = try worker.client()
            let query = TestMessage.query("www.example.org")
            #expect(client.ask(query)?.addresses == [1])
            usleep(2_100_000)
            upstream.turn(.silent)
            let reply = try #require(client.ask(query))
            #expect(reply.code == 2 && reply.addresses.isEmpty)
        }

        @Test(arguments: [Mood.withoutTTL, .large])
        func `an answer that was overtaken by one that may not be kept is not given out any more`(_ mood: Mood) throws {
            let upstream = try Upstream(ttl: 1)
            defer { upstream.stop() }
            let worker = try worker(upstream) { $0.cacheBytesMax = 4_000 }
            defer { worker.stop() }
            let client = try worker.client()
            let query = TestMessage.query("www.example.org")
            #expect(client.ask(query)?.addresses == [1])
            usleep(1_100_000)
            upstream.turn(mood, newAddress: true)
            #expect(client.ask(query)?.addresses.last == 2)
            upstream.turn(.silent)
            #expect(client.ask(query)?.code == 2)
        }

        @Test func `questions that nobody waits for any more leave room for others`() throws {
            let isSilent = Atomic<Bool>(false)
            let upstream = try FakeUpstream { request in
                guard !isSilent.load(ordering: .relaxed) || request.name.hasPrefix("new") else { return [] }
                return [.reply(TestMessage.reply(to: request.bytes, [.a(1, ttl: 1)]))]
            }
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream]) {
                $0.outstandingMax = 20
                $0.refreshesMax = 4
                $0.staleClientTimeoutMilliseconds = 20
                $0.tryTimeoutsMilliseconds = [20_000]
                $0.totalTimeoutMilliseconds = 20_000
            }
            defer { worker.stop() }
            let client = try worker.client()
            let names = (0..<20).map { TestMessage.query("n\($0).example.org") }
            for name in names { #expect(client.ask(name)?.addresses == [1]) }
            usleep(1_100_000)
            isSilent.store(true, ordering: .relaxed)
            for name in names { #expect(client.ask(name)?.addresses == [1]) }
            #expect(worker.counters[.staleLate] == 20)
            #expect(client.ask(TestMessage.query("new.example.org"))?.addresses == [1])
            #expect(worker.counters[.failedOutstanding] == 0 && worker.counters[.refreshesSkipped] == 16)
        }

        /// Each name is answered, then fails, and then its servers are silent.
        @Test func `names of one client that are fetched without end leave others a place to have theirs fetched`() throws {
            let asked = Mutex<[String: Int]>([:])
            let upstream = try FakeUpstream { request in
                let number = asked.withLock { counts in
                    counts[request.name, default: 0] += 1
                    return counts[request.name, default: 0]
                }
                switch number {
                case 1: return [.reply(TestMessage.reply(to: request.bytes, [.a(1, ttl: 1)]))]
                case 2: return [.reply(TestMessage.reply(to: request.bytes, [], code: 2))]
                default: return request.name.hasPrefix("slow") ? [] : [.reply(TestMessage.reply(to: request.bytes, [.a(9)]))]
                }
            }
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream]) {
                $0.refreshesMax = 16
                $0.prefetchHitsMin = 0
                $0.tryTimeoutsMilliseconds = [60_000]
                $0.totalTimeoutMilliseconds = 60_000
            }
            defer { worker.stop() }
            let greedy = try worker.client()
            let other = try worker.client(from: "127.0.0.2")
            let slow = (0..<20).map { TestMessage.query("slow\($0).example.org") }
            let query = TestMessage.query("www.example.org")
            for _ in 0..<2 {
                for name in slow { #expect(greedy.ask(name)?.addresses == [1]) }
                #expect(other.ask(query)?.addresses == [1])
                usleep(1_200_000)
            }
            #expect(worker.counters[.staleFailed] == 21)
            for name in slow { #expect(greedy.ask(name)?.addresses == [1]) }
            #expect(worker.counters[.refreshesSkipped] >= 4)
            #expect(other.ask(query)?.addresses == [1])
            #expect(eventually { other.ask(query)?.addresses == [9] })
        }

        @Test func `where no question has room an expired answer serves`() throws {
            let upstream = try Upstream(ttl: 1)
            defer { upstream.stop() }
            let worker = try worker(upstream) {
                $0.outstandingMax = 1
                $0.tryTimeoutsMilliseconds = [900]
            }
            defer { worker.stop() }
            let client = try worker.client()
            let query = TestMessage.query("www.example.org")
            #expect(client.ask(query)?.addresses == [1])
            usleep(1_100_000)
            upstream.turn(.silent)
            try worker.client().send(TestMessage.query("other.example.org"))
            #expect(eventually { worker.counters[.upstreamQueriesUDP] == 2 })
            let reply = try #require(client.ask(query))
            #expect(reply.addresses == [1] && reply.extendedError == 3 && worker.counters[.failedOutstanding] == 1)
        }

        // MARK: prefetch

        @Test func `what is asked for often is fetched anew before it ends, once, and a failure of that is not felt`() throws {
            let upstream = try Upstream(ttl: 5)
            defer { upstream.stop() }
            let worker = try worker(upstream) { $0.prefetchHitsMin = 2 }
            defer { worker.stop() }
            let client = try worker.client()
            let often = TestMessage.query("often.example.org")
            let seldom = TestMessage.query("seldom.example.org")
            for _ in 0..<3 { #expect(client.ask(often)?.addresses == [1]) }
            for _ in 0..<2 { #expect(client.ask(seldom)?.addresses == [1]) }
            usleep(4_050_000)
            upstream.turn(.serverFailure)
            #expect(client.ask(seldom)?.addresses == [1])
            for _ in 0..<5 { #expect(client.ask(often)?.addresses == [1]) }
            #expect(eventually { worker.counters[.upstreamServerFailures] == 1 })
            #expect(client.ask(often)?.extendedError == nil, "the answer that is there stays")
            #expect(upstream.server.requests.map(\.name).count { $0 == "seldom.example.org" } == 1)
            #expect(worker.counters[.refreshesPrefetch] == 1)
        }

        @Test func `an answer that was fetched anew is learned when it is given out`() throws {
            let upstream = try Upstream(ttl: 5)
            defer { upstream.stop() }
            let worker = try worker(upstream) { $0.prefetchHitsMin = 1 }
            defer { worker.stop() }
            let client = try worker.client()
            let query = TestMessage.query("www.example.org")
            for _ in 0..<2 { #expect(client.ask(query)?.addresses == [1]) }
            usleep(4_050_000)
            upstream.turn(.well, newAddress: true)
            let before = worker.log.lessons.count
            #expect(client.ask(query)?.addresses == [1])
            #expect(eventually { client.ask(query)?.addresses == [2] })
            #expect(worker.counters[.cacheMisses] == 1 && worker.counters[.refreshesPrefetch] == 1)
            let taught = worker.log.lessons.dropFirst(before).filter { $0.addresses.description.contains("192.0.2.2") }
            #expect(taught.count == 1, "by the client's own query and not by the refresh")
        }
    }
}
