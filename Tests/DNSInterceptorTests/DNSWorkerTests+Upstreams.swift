import DNSInterceptor
import DNSMessages
import Testing

extension DNSWorkerTests {
    @Suite struct Upstreams {
        @Test func `the next upstream is asked when one is silent, and the silent one is passed over later`() throws {
            let silent = try FakeUpstream { _ in [] }
            defer { silent.stop() }
            let good = try FakeUpstream.plain(4)
            defer { good.stop() }
            let worker = try RunningWorker(upstreams: [silent, good])
            defer { worker.stop() }
            let client = try worker.client()
            for number in 0..<6 { #expect(client.ask(TestMessage.query("n\(number).example.org"))?.addresses == [4]) }
            #expect(silent.requests.count == 3, "three failures in a row put it down for a second")
            #expect(worker.counters[.upstreamTimeouts] == 3 && worker.counters[.upstreamDown] == 1)
        }

        /// Names whose own servers are silent must not lead others' questions elsewhere.
        @Test func `an upstream that answers others meanwhile is not put down by names that it cannot resolve`() throws {
            let first = try FakeUpstream { $0.name.hasPrefix("slow") ? [] : [.reply(TestMessage.reply(to: $0.bytes, [.a(1)]))] }
            defer { first.stop() }
            let second = try FakeUpstream { $0.name.hasPrefix("slow") ? [] : [.reply(TestMessage.reply(to: $0.bytes, [.a(2)]))] }
            defer { second.stop() }
            let worker = try RunningWorker(upstreams: [first, second]) {
                $0.tryTimeoutsMilliseconds = [2_000]
                $0.totalTimeoutMilliseconds = 2_000
                $0.probeMilliseconds = 60_000
            }
            defer { worker.stop() }
            let greedy = try worker.client()
            for number in 0..<8 { greedy.send(TestMessage.query("slow\(number).example.org")) }
            #expect(eventually { first.requests.count == 8 })
            let other = try worker.client(from: "127.0.0.2")
            #expect(other.ask(TestMessage.query("www.example.org"))?.addresses == [1])
            #expect(eventually { worker.counters[.upstreamTimeouts] >= 8 })
            #expect(other.ask(TestMessage.query("intern.example.org"))?.addresses == [1])
            #expect(worker.counters[.upstreamDown] == 0)
        }

        @Test func `a closed port is noticed at once`() throws {
            let closed = try FakeUpstream.plain()
            closed.stop()
            let good = try FakeUpstream.plain(4)
            defer { good.stop() }
            let worker = try RunningWorker(upstreams: [closed, good]) { $0.tryTimeoutsMilliseconds = [60_000, 60_000] }
            defer { worker.stop() }
            #expect(try worker.client().ask(TestMessage.query("www.example.org"))?.addresses == [4])
            #expect(worker.counters[.upstreamSocketErrors] == 1)
        }

        @Test(arguments: [UInt8(2), 5])
        func `an error of one upstream is bettered by the next, or handed on if all fail`(_ code: UInt8) throws {
            let bad = try FakeUpstream { [.reply(TestMessage.reply(to: $0.bytes, [], code: code))] }
            defer { bad.stop() }
            let other = try FakeUpstream {
                let isGood = $0.name == "one.example.org"
                return [.reply(TestMessage.reply(to: $0.bytes, isGood ? [.a(3)] : [], code: isGood ? 0 : code))]
            }
            defer { other.stop() }
            let worker = try RunningWorker(upstreams: [bad, other])
            defer { worker.stop() }
            let client = try worker.client()
            #expect(client.ask(TestMessage.query("one.example.org"))?.addresses == [3])
            #expect(client.ask(TestMessage.query("all.example.org"))?.code == code)
            let before = bad.requests.count
            #expect(client.ask(TestMessage.query("all.example.org"))?.code == code)
            #expect(bad.requests.count == before, "a failure is cached for a moment")
        }

        @Test func `when nobody answers the client hears so within the total timeout, and the failure is cached for a moment`() throws {
            let silent = try FakeUpstream { _ in [] }
            defer { silent.stop() }
            let worker = try RunningWorker(upstreams: [silent]) {
                $0.tryTimeoutsMilliseconds = [50, 50, 50, 50]
                $0.totalTimeoutMilliseconds = 180
            }
            defer { worker.stop() }
            let client = try worker.client()
            for _ in 0..<2 {
                let reply = try #require(client.ask(TestMessage.query("www.example.org")))
                #expect(reply.code == 2 && reply.extendedError == 22)
            }
            #expect(silent.requests.count == 4)
        }

        enum Forgery: String, CaseIterable, Sendable { case identifier, question, letterCase, query, junk, elsewhere }

        @Test(arguments: Forgery.allCases) func `a forged reply is ignored and the true one served`(_ forgery: Forgery) throws {
            let upstream = try FakeUpstream { request in
                guard !request.isTCP else { return [.hangUp] }
                var forged = TestMessage.reply(to: request.bytes, [.a(66)])
                var action: FakeUpstream.Action?
                switch forgery {
                case .identifier: forged[1] ^= 1
                case .question: forged[13] = forged[13] == 0x78 ? 0x79 : 0x78
                case .letterCase: forged[13] ^= 0x20
                case .query: forged[2] &= 0x7f
                case .junk: forged = [UInt8](repeating: 0xff, count: 5)
                case .elsewhere: action = .replyFromElsewhere(forged)
                }
                let one = action ?? .reply(forged)
                return [one, one, one, .replyLater(TestMessage.reply(to: request.bytes, [.a(1)]), milliseconds: 50)]
            }
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream])
            defer { worker.stop() }
            let client = try worker.client()
            for _ in 0..<2 { #expect(client.ask(TestMessage.query("www.example.org"))?.addresses == [1]) }
            #expect(worker.log.lessons.allSatisfy { $0.addresses.map(\.lower) == [0xc000_0201] })
            let counted: DNSCounter? =
                switch forgery {
                case .identifier: .wrongIdentifier
                case .question: .wrongQuestion
                case .letterCase: .wrongLetterCase
                case .query, .junk: .wrongForm
                case .elsewhere: nil
                }
            if let counted { #expect(worker.counters[counted] == 3) }
            #expect(upstream.requests.count == 1)
        }

        /// HTTPS (65) and TYPE97 are as far apart as a capital and its small letter.
        @Test func `a reply to a question of another type is not taken for one in other letters`() throws {
            let upstream = try FakeUpstream { request in
                var reply = TestMessage.reply(to: request.bytes, [TestMessage.Record(owner: nil, type: 97, ttl: 60, data: [1])])
                reply[TestMessage.questionEnd(reply) - 3] = 97
                return [.reply(reply)]
            }
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream]) { $0.root.options.forcesTCP = true }
            defer { worker.stop() }
            let reply = try #require(try worker.client().ask(TestMessage.query("www.example.org", type: 65)))
            #expect(reply.code == 2 && reply.answerCount == 0)
            #expect(worker.counters[.wrongLetterCase] == 0)
        }

        @Test func `under a flood of wrong replies the question moves to TCP`() throws {
            let upstream = try FakeUpstream { request in
                if request.isTCP { return [.reply(TestMessage.reply(to: request.bytes, [.a(1)]))] }
                return (0..<20 as Range<UInt8>).map {
                    var forged = TestMessage.reply(to: request.bytes, [.a(66)])
                    forged[0] = forged[0] &+ 1 &+ $0
                    return .reply(forged)
                }
            }
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream])
            defer { worker.stop() }
            #expect(try worker.client().ask(TestMessage.query("www.example.org"))?.addresses == [1])
            #expect(upstream.requests.map(\.isTCP) == [false, true])
            #expect(worker.counters[.wrongIdentifier] >= 8)
        }

        @Test func `an upstream that folds letter case is asked over TCP`() throws {
            let upstream = try FakeUpstream { request in
                var folded = request.bytes
                for index in 12..<TestMessage.questionEnd(folded) where folded[index] &- 0x41 < 26 { folded[index] |= 0x20 }
                return [.reply(TestMessage.reply(to: folded, [.a(1)]))]
            }
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream])
            defer { worker.stop() }
            let reply = try worker.client().ask(TestMessage.query("a-rather-long-name-indeed.example.org"))
            #expect(reply?.addresses == [1])
            #expect(upstream.requests.map(\.isTCP) == [false, true])
            #expect(worker.counters[.upstreamDown] == 0)
        }

        @Test func `a truncated reply is fetched over TCP`() throws {
            let upstream = try FakeUpstream { request in
                request.isTCP
                    ? [.reply(TestMessage.reply(to: request.bytes, (1...60).map { .a($0) }))]
                    : [.reply(TestMessage.reply(to: request.bytes, [.a(66)], isTruncated: true))]
            }
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream])
            defer { worker.stop() }
            #expect(try worker.client().ask(TestMessage.query("www.example.org", edns: 4_096))?.addresses == Array(1...60))
            #expect(upstream.requests.map(\.isTCP) == [false, true])
        }

        @Test func `a TCP connection that ends without an answer counts as a failure`() throws {
            let broken = try FakeUpstream { request in
                request.isTCP ? [.hangUp] : [.reply(TestMessage.reply(to: request.bytes, [], isTruncated: true))]
            }
            defer { broken.stop() }
            let good = try FakeUpstream.plain(8)
            defer { good.stop() }
            let worker = try RunningWorker(upstreams: [broken, good])
            defer { worker.stop() }
            #expect(try worker.client().ask(TestMessage.query("www.example.org"))?.addresses == [8])
            #expect(worker.counters[.upstreamTCPFailures] == 1)
        }

        enum Complaint: CaseIterable, Sendable { case formatError, notImplemented, headerOnly }

        @Test(arguments: Complaint.allCases) func `an upstream without EDNS is asked without it`(_ complaint: Complaint) throws {
            let upstream = try FakeUpstream { request in
                guard request.bytes[11] == 1 else { return [.reply(TestMessage.reply(to: request.bytes, [.a(1)]))] }
                switch complaint {
                case .formatError: return [.reply(TestMessage.reply(to: request.bytes, [], code: 1))]
                case .notImplemented: return [.reply(TestMessage.reply(to: request.bytes, [], code: 4))]
                case .headerOnly: return [.reply(Array(request.bytes[0..<2]) + [0x80, 0x81] + [UInt8](repeating: 0, count: 8))]
                }
            }
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream])
            defer { worker.stop() }
            let client = try worker.client()
            for name in ["one.example.org", "two.example.org"] { #expect(client.ask(TestMessage.query(name))?.addresses == [1]) }
            #expect(upstream.requests.map { $0.bytes[11] } == [1, 0, 0], "and it is remembered")
        }

        @Test func `an answer off the chain is refused, counted, and never given out`() throws {
            let upstream = try FakeUpstream { [.reply(TestMessage.reply(to: $0.bytes, [.a(1), .a(66, owner: "victim.example.net")]))] }
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream])
            defer { worker.stop() }
            let reply = try #require(try worker.client().ask(TestMessage.query("www.example.org")))
            #expect(reply.code == 2 && reply.answerCount == 0 && reply.extendedError == 24)
            #expect(worker.counters.malformedAnswers(.offChainAddress) == 1 && worker.counters[.failedMalformedAnswer] == 1)
            #expect(worker.counters[.upstreamDown] == 0 && worker.log.lessons.isEmpty)
        }

        @Test func `questions in flight are bounded and the rest is told`() throws {
            let silent = try FakeUpstream { _ in [] }
            defer { silent.stop() }
            let worker = try RunningWorker(upstreams: [silent]) {
                $0.outstandingMax = 10
                $0.tryTimeoutsMilliseconds = [1_000]
            }
            defer { worker.stop() }
            let client = try worker.client()
            let others = try (1...10).map { try worker.client(from: "127.0.1.\($0)") }
            for (number, other) in others.enumerated() {
                other.send(TestMessage.query("n\(number).example.org"))
            }
            #expect(eventually { worker.counters[.queriesUDP] == 10 })
            for number in 10..<15 {
                #expect(client.ask(TestMessage.query("n\(number).example.org"))?.extendedError == 23)
            }
            #expect(others.allSatisfy { TestReply($0.receive())?.extendedError == 22 })
            #expect(worker.counters[.failedOutstanding] == 5)
            #expect(client.ask(TestMessage.query("later.example.org"))?.extendedError == 22, "the places are free again")
        }

        @Test func `one address cannot take all places of those who wait`() throws {
            let silent = try FakeUpstream { _ in [] }
            defer { silent.stop() }
            let worker = try RunningWorker(upstreams: [silent]) { $0.waitersPerClientMax = 3 }
            defer { worker.stop() }
            let greedy = try worker.client()
            for number in 0..<5 { greedy.send(TestMessage.query("n\(number).example.org")) }
            #expect(TestReply(greedy.receive())?.extendedError == 0)
            let other = try worker.client(from: "127.0.0.2")
            #expect(other.ask(TestMessage.query("n9.example.org"))?.extendedError == 22, "served, as far as upstreams go")
            #expect(worker.counters[.failedWaiters] == 2)
        }

        @Test func `an endpoint has one share of the places, however many addresses it has`() throws {
            let silent = try FakeUpstream { _ in [] }
            defer { silent.stop() }
            let worker = try RunningWorker(upstreams: [silent]) { $0.waitersPerClientMax = 3 }
            defer { worker.stop() }
            let greedy = try worker.client()
            for number in 0..<3 { greedy.send(TestMessage.query("n\(number).example.org")) }
            #expect(eventually { silent.requests.count >= 3 })
            let refused = try worker.client(from: "::1").ask(TestMessage.query("n9.example.org"))
            #expect(refused?.extendedError == 0 && worker.counters[.failedWaiters] == 1)
            #expect(try worker.client(from: "127.0.0.2").ask(TestMessage.query("n9.example.org"))?.extendedError == 22)
        }

        @Test func `with the shipped limits one client leaves the only upstream to others`() throws {
            let upstream = try FakeUpstream {
                $0.name.hasPrefix("slow") ? [] : [.reply(TestMessage.reply(to: $0.bytes, [.a(4)]))]
            }
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream]) {
                $0.tryTimeoutsMilliseconds = [4_000]
                $0.totalTimeoutMilliseconds = 4_000
            }
            defer { worker.stop() }
            let greedy = try worker.client()
            for number in 0..<3_000 {
                greedy.send(TestMessage.query("slow\(number).example.org"))
                if number % 100 == 99 { #expect(eventually { worker.counters[.queriesUDP] == UInt64(number + 1) }) }
            }
            #expect(try worker.client(from: "127.0.0.2").ask(TestMessage.query("www.example.org"))?.addresses == [4])
        }

        @Test(arguments: [(512, 4_096), (2_048, 512)])
        func `however many are greedy, who asks for little finds room`(_ queriesPerUpstreamMax: Int, _ outstandingMax: Int) throws {
            let upstream = try FakeUpstream {
                $0.name.hasPrefix("slow") ? [] : [.reply(TestMessage.reply(to: $0.bytes, [.a(4)]))]
            }
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream]) {
                $0.root.options.queriesPerUpstreamMax = queriesPerUpstreamMax
                $0.outstandingMax = outstandingMax
                $0.tryTimeoutsMilliseconds = [4_000]
                $0.totalTimeoutMilliseconds = 4_000
            }
            defer { worker.stop() }
            let greedy = try (1...8).map { try worker.client(from: "127.0.1.\($0)") }
            for number in 0..<100 {
                for (index, client) in greedy.enumerated() { client.send(TestMessage.query("slow\(number)-\(index).example.org")) }
                #expect(eventually { worker.counters[.queriesUDP] == UInt64((number + 1) * greedy.count) })
            }
            #expect(worker.counters[.failedWaiters] >= 8 * 36)
            for number in 0..<3 {
                #expect(try worker.client(from: "127.0.1.99").ask(TestMessage.query("n\(number).example.org"))?.addresses == [4])
            }
            #expect(worker.counters[.failedOutstanding] == 0 && worker.counters[.failedUpstreamsFull] == 0)
        }

        @Test func `what is between resolvers alone is not handed on`() throws {
            // BADCOOKIE, RFC 7873 §8.
            let upstream = try FakeUpstream { request in
                var reply = TestMessage.reply(to: request.bytes, [], code: 7)
                reply[reply.count - 6] = 1
                return [.reply(reply)]
            }
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream])
            defer { worker.stop() }
            let reply = try #require(try worker.client().ask(TestMessage.query("www.example.org")))
            #expect(reply.code == 2 && reply.extendedError == 0)
        }
    }
}
