import DNSInterceptor
import DNSMessages
import DomainNames
import Enforcement
import NetworkTypes
import Testing

extension DNSWorkerTests {
    @Suite struct ServiceBindings {
        private static let https: UInt16 = 65
        private static let hint: [UInt8] = [0, 4, 0, 4, 192, 0, 2, 7]
        private static let sealed: [UInt8] = [0, 5, 0, 4, 0xfe, 0x0d, 0x5e, 0x41]

        private static func record(_ parameters: [UInt8], target: String = "", ttl: UInt32 = 300) -> TestMessage.Record {
            TestMessage.Record(owner: nil, type: https, ttl: ttl, data: [0, 1] + TestMessage.name(target) + parameters)
        }

        private static let signature = TestMessage.Record(
            owner: nil, type: 46, ttl: 300,
            data: TestMessage.big16(https) + [13, 3] + TestMessage.big32(300) + TestMessage.big32(2) + TestMessage.big32(1) + [1, 2]
                + TestMessage.name("example.org") + [UInt8](repeating: 7, count: 64))

        private static func contains(_ reply: TestReply?, _ bytes: [UInt8]) -> Bool {
            guard let reply else { return false }
            return reply.bytes.indices.contains { reply.bytes[$0...].starts(with: bytes) }
        }

        @Test func `hints of the owner are learned before they are given out, those of others are gone, and so is ech`() throws {
            let upstream = try FakeUpstream {
                [
                    .reply(
                        TestMessage.reply(
                            to: $0.bytes,
                            [
                                Self.record(Self.hint + Self.sealed, ttl: 60),
                                Self.record([0, 4, 0, 4, 192, 0, 2, 99], target: "edge.example.net", ttl: 60),
                            ]))
                ]
            }
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream])
            defer { worker.stop() }
            worker.log.release = .release(timeToLiveCapSeconds: 17)
            let client = try worker.client()
            for _ in 0..<2 {
                let reply = client.ask(TestMessage.query("www.example.org", type: Self.https))
                #expect(reply?.code == 0 && reply?.answerCount == 2)
                #expect(Self.contains(reply, Self.hint))
                #expect(!Self.contains(reply, [192, 0, 2, 99]) && !Self.contains(reply, Self.sealed))
                #expect(reply?.ttls == [17, 17])
            }
            let name = try DomainName(parsing: "www.example.org")
            #expect(worker.log.lessons.count == 2)
            for lesson in worker.log.lessons {
                #expect(lesson.name == name && lesson.addresses == [IPAddress(v4: 0xc000_0207)] && lesson.client == TestGate.endpoint)
                #expect((40...60).contains(lesson.ttl))
            }
            #expect(upstream.requests.count == 1)
            #expect(worker.counters[.strippedECH] == 1 && worker.counters[.strippedHints] == 1 && worker.counters[.strippedHTTP3] == 0)
        }

        @Test func `an answer whose hints the gate refuses is not given out`() throws {
            let upstream = try FakeUpstream { [.reply(TestMessage.reply(to: $0.bytes, [Self.record(Self.hint)]))] }
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream])
            defer { worker.stop() }
            worker.log.release = .refuse(.rebinding)
            let client = try worker.client()
            for _ in 0..<2 {
                let reply = client.ask(TestMessage.query("www.example.org", type: Self.https))
                #expect(reply?.code == 5 && reply?.extendedError == 15 && reply?.answerCount == 0)
            }
            #expect(worker.counters[.refusedRebinding] == 2)
        }

        @Test func `hints that are stripped or passed are not learned`() throws {
            for hints in [ServiceBindingPolicy.Hints.strip, .pass] {
                let upstream = try FakeUpstream { [.reply(TestMessage.reply(to: $0.bytes, [Self.record(Self.hint)]))] }
                defer { upstream.stop() }
                let worker = try RunningWorker(upstreams: [upstream]) { $0.serviceBindings.hints = hints }
                defer { worker.stop() }
                let reply = try worker.client().ask(TestMessage.query("www.example.org", type: Self.https))
                #expect(reply?.code == 0 && reply?.answerCount == 1)
                #expect(Self.contains(reply, Self.hint) == (hints == .pass))
                #expect(worker.log.lessons.isEmpty)
                #expect(worker.counters[.strippedHints] == (hints == .strip ? 1 : 0))
            }
        }

        @Test func `HTTP 3 is taken out if that is asked for, and only then`() throws {
            let alpn: [UInt8] = [0, 1, 0, 6, 2, 0x68, 0x33, 2, 0x68, 0x32]
            for http3 in ServiceBindingPolicy.Treatment.allCases {
                let upstream = try FakeUpstream { [.reply(TestMessage.reply(to: $0.bytes, [Self.record(alpn)]))] }
                defer { upstream.stop() }
                let worker = try RunningWorker(upstreams: [upstream]) { $0.serviceBindings.http3 = http3 }
                defer { worker.stop() }
                let reply = try worker.client().ask(TestMessage.query("www.example.org", type: Self.https))
                #expect(Self.contains(reply, alpn) == (http3 == .pass))
                #expect(Self.contains(reply, [0, 1, 0, 3, 2, 0x68, 0x32]) == (http3 == .strip))
                #expect(worker.counters[.strippedHTTP3] == (http3 == .strip ? 1 : 0))
            }
        }

        @Test func `a signed answer is passed on as it is or refused, and the unsigned one cleaned`() throws {
            let upstream = try FakeUpstream { request in
                let isSigned = request.bytes.suffix(4).first == 0x80
                let parameters = request.name.hasPrefix("plain.") ? Self.hint : Self.hint + Self.sealed
                return [
                    .reply(TestMessage.reply(to: request.bytes, [Self.record(parameters)] + (isSigned ? [Self.signature] : [])))
                ]
            }
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream])
            defer { worker.stop() }
            let client = try worker.client()
            for _ in 0..<2 {
                let reply = client.ask(TestMessage.query("www.example.org", type: Self.https, isDNSSECOK: true))
                #expect(reply?.code == 5 && reply?.extendedError == 15 && reply?.answerCount == 0)
                #expect(Self.contains(reply, Array("dns.serviceBindings".utf8)))
            }
            #expect(upstream.requests.count == 1, "a refusal is kept as long as the answer")
            #expect(worker.counters[.refusedSignedBinding] == 2 && worker.counters[.failedUpstreams] == 0)
            #expect(worker.log.lessons.isEmpty && worker.counters[.strippedECH] == 0)
            let unsigned = client.ask(TestMessage.query("www.example.org", type: Self.https))
            #expect(unsigned?.code == 0 && Self.contains(unsigned, Self.hint) && !Self.contains(unsigned, Self.sealed))
            let untouched = client.ask(TestMessage.query("plain.example.org", type: Self.https, isDNSSECOK: true))
            #expect(untouched?.answerCount == 2 && Self.contains(untouched, Self.hint) && Self.contains(untouched, Self.signature.data))
            #expect(worker.log.lessons.count == 2)
        }
    }
}
