import DNSInterceptor
import DNSMessages
import DomainNames
import Enforcement
import Glibc
import NetworkTypes
import Synchronization
import Testing

extension DNSWorkerTests {
    @Suite struct Gate {
        @Test func `an endpoint's answers pass the gate each time, others' never`() throws {
            let upstream = try FakeUpstream {
                [.reply(TestMessage.reply(to: $0.bytes, [.cname("edge.example.net", ttl: 40), .a(9, ttl: 60, owner: "edge.example.net")]))]
            }
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream])
            defer { worker.stop() }
            #expect(try worker.client(from: "127.0.0.2").ask(TestMessage.query("www.example.org"))?.addresses == [9])
            #expect(worker.log.lessons.isEmpty)
            let client = try worker.client()
            for _ in 0..<2 { #expect(client.ask(TestMessage.query("WWW.example.org"))?.addresses == [9]) }
            let lesson = TestGate.Lesson(
                name: try DomainName(parsing: "www.example.org"), addresses: [IPAddress(v4: 0xc000_0209)], ttl: 40,
                client: TestGate.endpoint)
            #expect(worker.log.lessons == [lesson, lesson])
            #expect(upstream.requests.count == 1)
        }

        @Test func `a gate that only adds is not asked again for the same client between its ticks`() throws {
            let upstream = try FakeUpstream.plain(ttl: 300)
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream], hasEras: true)
            defer { worker.stop() }
            let query = TestMessage.query("www.example.org")
            let (v4, v6) = (try worker.client(), try worker.client(from: "::1"))
            // Both are the same endpoint. One is taught when the answer comes, one by the first answer out of the cache.
            var asked = 0
            repeat {
                let before = (ticks: worker.log.ticks, lessons: worker.log.lessons.count)
                for _ in 0..<40 {
                    for client in [v4, v6] { #expect(client.ask(query)?.addresses == [1]) }
                }
                asked += 80
                // Only a run without a tick counts.
                guard worker.log.ticks == before.ticks else { continue }
                #expect(worker.log.lessons.count - before.lessons <= 2)
                break
            } while asked < 80 * 50
            // Under another era the gate is asked again, and what it says holds at once.
            let lessons = worker.log.lessons.count
            worker.log.release = .refuse(.unknownClient)
            worker.mailbox.post { $0.beginEra() }
            #expect(eventually { v4.ask(query)?.code == 5 })
            #expect(v6.ask(query)?.code == 5)
            #expect(worker.log.lessons.count >= lessons + 2, "a refusal is not remembered")
        }

        @Test func `an answer that is given again ends no later than what was learned`() throws {
            let upstream = try FakeUpstream.plain(ttl: 300)
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream], hasEras: true)
            defer { worker.stop() }
            let client = try worker.client()
            let query = TestMessage.query("www.example.org")
            let clock = ContinuousClock()
            // When each lesson was learned, at the latest, and until when it holds.
            var end: ContinuousClock.Instant?
            var lessons = 0
            let start = clock.now
            while clock.now - start < .milliseconds(1_500) {
                let asked = clock.now
                let ttl = try #require(client.ask(query)?.ttls.first)
                let known = worker.log.lessons
                if known.count > lessons {
                    lessons = known.count
                    end = clock.now + .seconds(Int(known[lessons - 1].ttl))
                }
                let learnedUntil = try #require(end)
                #expect(asked + .seconds(Int(ttl)) <= learnedUntil)
                usleep(20_000)
            }
            #expect(lessons >= 2)
        }

        @Test func `an answer with few seconds left is taught each time`() throws {
            let upstream = try FakeUpstream.plain(ttl: 9)
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream], hasEras: true)
            defer { worker.stop() }
            let client = try worker.client()
            for _ in 0..<10 { #expect(client.ask(TestMessage.query("www.example.org"))?.addresses == [1]) }
            #expect(worker.log.lessons.count == 10)
        }

        @Test func `no TTL is longer than the gate allows`() throws {
            let upstream = try FakeUpstream.plain(ttl: 300)
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream])
            defer { worker.stop() }
            let client = try worker.client()
            worker.log.release = .release(timeToLiveCapSeconds: 17)
            for _ in 0..<2 { #expect(client.ask(TestMessage.query("www.example.org"))?.ttls == [17]) }
            worker.log.release = .release(timeToLiveCapSeconds: 100_000)
            #expect(try #require(client.ask(TestMessage.query("www.example.org"))?.ttls.first) <= 300)
        }

        static let refusals: [(AnswerRefusal, code: UInt8, error: UInt16, DNSCounter)] = [
            (.addressesPerNameFull, 2, 0, .refusedAddressesPerName), (.namesPerClientFull, 2, 0, .refusedNamesPerClient),
            (.bindingsFull, 2, 0, .refusedBindings), (.rebinding, 5, 15, .refusedRebinding), (.unknownClient, 5, 18, .refusedEndpointGone),
        ]

        @Test(arguments: refusals)
        func `a refused answer never leaks, fresh or cached, over UDP or TCP`(
            _ refusal: AnswerRefusal, _ code: UInt8, _ error: UInt16, _ counter: DNSCounter
        ) throws {
            let upstream = try FakeUpstream.plain(77)
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream])
            defer { worker.stop() }
            worker.log.release = .refuse(refusal)
            let client = try worker.client()
            let stream = try worker.streamClient()
            for turn in 0..<3 {
                let query = TestMessage.query("www.example.org")
                let reply: TestReply?
                if turn == 2 {
                    stream.sendFrame(query)
                    reply = TestReply(stream.receiveFrame())
                } else {
                    reply = client.ask(query)
                }
                let refused = try #require(reply)
                #expect(refused.code == code && refused.extendedError == error && refused.answerCount == 0)
                #expect(!refused.bytes.indices.contains { refused.bytes[$0...].starts(with: [192, 0, 2, 77]) })
            }
            #expect(worker.counters[counter] == 3)
            worker.log.release = .release(timeToLiveCapSeconds: 60)
            #expect(client.ask(TestMessage.query("www.example.org"))?.addresses == [77])
        }

        @Test(arguments: [
            (AnswerRefusal.deniedName, DNSCounter.refusedDeniedName), (.exclusiveName, .refusedExclusiveName),
            (.notAllowedName, .refusedNotAllowedName),
        ])
        func `a name that policy refuses is not asked for, and not answered out of the cache`(
            _ refusal: AnswerRefusal, _ counter: DNSCounter
        ) throws {
            let upstream = try FakeUpstream.plain(77)
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream])
            defer { worker.stop() }
            let name = try DomainName(parsing: "www.example.org")
            worker.log.refusedNames = [name: refusal]
            let (client, other) = (try worker.client(), try worker.client(from: "127.0.0.2"))
            for query in [TestMessage.query("www.example.org"), TestMessage.query("WWW.example.org")] {
                let refused = try #require(client.ask(query))
                #expect(refused.code == 3 && refused.extendedError == 15 && refused.answerCount == 0)
            }
            #expect(upstream.requests.isEmpty)
            // Another client may ask, and its answer in the cache is nothing for the first.
            #expect(other.ask(TestMessage.query("www.example.org"))?.addresses == [77])
            #expect(client.ask(TestMessage.query("www.example.org"))?.code == 3)
            #expect(worker.counters[counter] == 3)
            #expect(client.ask(TestMessage.query("api.example.org"))?.addresses == [77])
            worker.log.refusedNames = [:]
            #expect(client.ask(TestMessage.query("www.example.org"))?.addresses == [77])
        }

        @Test(
            arguments: [
                (.refused, "A", 5, []), (.nameError, "A", 3, []), (.noData, "A", 0, []),
                (.sinkhole(v4: IPAddress(parsing: "192.0.2.66"), v6: nil), "A", 0, [192, 0, 2, 66]),
                (.sinkhole(v4: IPAddress(parsing: "192.0.2.66"), v6: nil), "AAAA", 0, []),
                (
                    .sinkhole(v4: nil, v6: IPAddress(parsing: "2001:db8::66")), "AAAA", 0,
                    [0x20, 1, 0x0d, 0xb8] + Array(repeating: 0, count: 11) + [0x66]
                ),
                (.sinkhole(v4: nil, v6: IPAddress(parsing: "2001:db8::66")), "TXT", 0, []),
            ] as [(RejectResponse, String, Int, [UInt8])])
        func `what a refused name gets is as configured, with the rule, and teaches nothing`(
            _ response: RejectResponse, _ type: String, _ code: Int, _ data: [UInt8]
        ) throws {
            let upstream = try FakeUpstream.plain(77)
            defer { upstream.stop() }
            let error = try #require(RejectError.allCases.randomElement())
            let worker = try RunningWorker(upstreams: [upstream]) {
                $0.rejectResponse = response
                $0.rejectError = error
            }
            defer { worker.stop() }
            worker.log.refusedNames = [try DomainName(parsing: "www.example.org"): .deniedName]
            let types: [String: UInt16] = ["A": 1, "AAAA": 28, "TXT": 16]
            let query = TestMessage.query("www.example.org", type: try #require(types[type]))
            let stream = try worker.streamClient()
            stream.sendFrame(query)
            for reply in [try worker.client().ask(query), TestReply(stream.receiveFrame())] {
                let reply = try #require(reply)
                #expect(reply.code == code && reply.answerCount == (data.isEmpty ? 0 : 1) && reply.extendedError == error.rawValue)
                #expect(String(decoding: reply.bytes, as: UTF8.self).contains("policy denies this name: default|web|egress[0]|Deny"))
                let record: [UInt8] = [0xc0, 12, 0, UInt8(types[type] ?? 0), 0, 1, 0, 0, 0, 1, 0, UInt8(data.count)] + data
                #expect(data.isEmpty || reply.bytes.indices.contains { reply.bytes[$0...].starts(with: record) })
            }
            #expect(upstream.requests.isEmpty && worker.log.lessons.isEmpty)
        }

        @Test func `an unknown client is refused and causes no upstream query`() throws {
            let upstream = try FakeUpstream.plain()
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream])
            defer { worker.stop() }
            let reply = try #require(try worker.client(from: "127.0.0.3").ask(TestMessage.query("www.example.org")))
            #expect(reply.code == 5 && reply.extendedError == 18)
            let stream = try worker.streamClient(from: "127.0.0.3")
            stream.sendFrame(TestMessage.query("www.example.org"))
            #expect(TestReply(stream.receiveFrame())?.code == 5)
            #expect(stream.receive() == [], "and the connection ends")
            #expect(upstream.requests.isEmpty && worker.counters[.refusedUnknownClient] == 2)
        }

        @Test func `of unknown clients a hundred in a second are told so over UDP`() throws {
            let worker = try RunningWorker(upstreams: [])
            defer { worker.stop() }
            let client = try worker.client(from: "127.0.0.3")
            for _ in 0..<600 { _ = client.send(TestMessage.query("www.example.org")) }
            #expect(eventually { worker.counters[.refusedUnknownClient] == 600 })
            var told = 0
            client.limitWait(milliseconds: 300)
            while client.receive() != nil { told += 1 }
            // The queries may have come in more than one second.
            #expect(told >= 100 && told < 400, "\(told)")
        }

        @Test func `work that is posted runs on the worker's gate, in order, and the gate ticks`() throws {
            let worker = try RunningWorker(upstreams: [])
            defer { worker.stop() }
            let seen = Seen()
            for number in 0..<100 { worker.mailbox.post { _ in seen.values.withLock { $0.append(number) } } }
            #expect(eventually { seen.values.withLock { $0 } == Array(0..<100) })
            #expect(eventually { worker.log.ticks >= 2 })
        }

        private final class Seen: Sendable {
            let values = Mutex<[Int]>([])
        }
    }

    @Suite struct Refusals {
        static let malformed: [(MessageFault, bytes: [UInt8], code: UInt8?)] = [
            (.shortHeader, [1, 2, 3], nil),
            (.notAQuery, TestMessage.reply(to: TestMessage.query("www.example.org"), []), nil),
            (.questionCount, [0, 1, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0], 1),
            (.truncatedName, Array(TestMessage.query("www.example.org", edns: nil).dropLast(6)), 1),
            (.trailingBytes, TestMessage.query("www.example.org", edns: nil) + [0], 1),
            (.opcodeNotQuery, [0, 1, 0x28] + TestMessage.query("www.example.org").dropFirst(3), 4),
            (.questionTypeNotSupported, TestMessage.query("example.org", type: 252), 4),
            (.questionClass, Array(TestMessage.query("version.bind", type: 16, edns: nil).dropLast()) + [3], 5),
        ]

        @Test(arguments: malformed)
        func `a malformed query is counted and answered as its fault asks`(_ fault: MessageFault, _ bytes: [UInt8], _ code: UInt8?) throws {
            let upstream = try FakeUpstream.plain()
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream])
            defer { worker.stop() }
            let client = try worker.client()
            client.limitWait(milliseconds: code == nil ? 200 : 2_000)
            #expect(client.ask(bytes)?.code == code)
            #expect(worker.counters.malformedQueries(fault) == 1)
            #expect(worker.counters.snapshot().contains { $0.labels.contains { $0 == ("fault", fault.label) } && $0.value == 1 })
            #expect(upstream.requests.isEmpty)
        }

        @Test func `ANY is not answered and an unknown EDNS version is told so`() throws {
            let worker = try RunningWorker(upstreams: [])
            defer { worker.stop() }
            let client = try worker.client()
            #expect(client.ask(TestMessage.query("example.org", type: 255))?.code == 4)
            let version = try #require(client.ask(TestMessage.query("example.org", version: 1)))
            // BADVERS is 16: 0 in the header, 1 in the OPT record.
            #expect(version.code == 0 && version.hasEDNS && version.bytes.suffix(6).first == 1)
            #expect(worker.counters[.refusedAny] == 1 && worker.counters[.refusedVersion] == 1)
        }

        @Test func `without upstreams the client is told at once`() throws {
            let worker = try RunningWorker(upstreams: [])
            defer { worker.stop() }
            let reply = try #require(try worker.client().ask(TestMessage.query("www.example.org")))
            #expect(reply.code == 2 && reply.extendedError == 22)
        }
    }
}
