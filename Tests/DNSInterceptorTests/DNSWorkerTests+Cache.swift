import DNSInterceptor
import Glibc
import Testing

extension DNSWorkerTests {
    /// What is kept, for how long, and for which question.
    @Suite struct Cache {
        private static func soa(ttl: UInt32, minimum: UInt32) -> TestMessage.Record {
            .soa(of: "example.org", ttl: ttl, minimum: minimum)
        }

        @Test func `TTLs are no longer than configured, and negative ones no longer than TTL and MINIMUM of the SOA record`() throws {
            let upstream = try FakeUpstream { request in
                switch request.name {
                case "long.example.org": [.reply(TestMessage.reply(to: request.bytes, [.a(1, ttl: 500_000)]))]
                case "minimum.example.org":
                    [.reply(TestMessage.reply(to: request.bytes, [], authority: [Self.soa(ttl: 300, minimum: 40)], code: 3))]
                case "ttl.example.org": [.reply(TestMessage.reply(to: request.bytes, [], authority: [Self.soa(ttl: 30, minimum: 400)]))]
                default: [.reply(TestMessage.reply(to: request.bytes, [], authority: [Self.soa(ttl: 9_000, minimum: 9_000)], code: 3))]
                }
            }
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream]) {
                $0.positiveSecondsMax = 7_200
                $0.negativeSecondsMax = 600
            }
            defer { worker.stop() }
            let client = try worker.client()
            for (name, ttl) in [("long", UInt32(7_200)), ("minimum", 40), ("ttl", 30), ("gone", 600)] {
                let query = TestMessage.query("\(name).example.org")
                for _ in 0..<2 {
                    let ttls = try #require(client.ask(query)?.ttls)
                    // A second may pass in between.
                    #expect(ttls == [ttl] || ttls == [ttl - 1], "\(name)")
                }
            }
            #expect(upstream.requests.count == 4 && worker.log.lessons.map(\.ttl).allSatisfy { $0 <= 7_200 })
        }

        @Test func `a chain that ends in nothing is kept no longer than its shortest link`() throws {
            let upstream = try FakeUpstream { request in
                let chain = [
                    TestMessage.Record.cname("gone.example.org", ttl: 20)
                ]
                return [.reply(TestMessage.reply(to: request.bytes, chain, authority: [Self.soa(ttl: 300, minimum: 300)], code: 3))]
            }
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream])
            defer { worker.stop() }
            let client = try worker.client()
            for _ in 0..<2 {
                let reply = try #require(client.ask(TestMessage.query("www.example.org")))
                #expect(reply.code == 3 && reply.answerCount == 1 && reply.ttls.allSatisfy { $0 <= 20 })
            }
            #expect(upstream.requests.count == 1)
        }

        @Test func `answers with and without DO and CD are kept apart, each asked for with its own bits`() throws {
            let upstream = try FakeUpstream.plain()
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream])
            defer { worker.stop() }
            let client = try worker.client()
            var queries: [[UInt8]] = []
            for isDNSSECOK in [false, true] {
                for isCheckingDisabled in [false, true] {
                    var query = TestMessage.query("www.example.org", isDNSSECOK: isDNSSECOK)
                    if isCheckingDisabled { query[3] |= 0x10 }
                    queries.append(query)
                }
            }
            for query in queries + queries { #expect(client.ask(query)?.addresses == [1]) }
            let asked = upstream.requests.map { ($0.bytes[3] & 0x10, $0.bytes[$0.bytes.count - 4] & 0x80) }
            #expect(asked.map(\.0) == [0, 0x10, 0, 0x10] && asked.map(\.1) == [0, 0, 0x80, 0x80])
            #expect(worker.counters[.cacheHits] == 4)
        }

        @Test func `EDNS options of clients neither part answers nor go upstream, and none is sent back`() throws {
            let upstream = try FakeUpstream.plain()
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream])
            defer { worker.stop() }
            let client = try worker.client()
            // COOKIE, Client Subnet 192.0.2.0/24, edns-tcp-keepalive, Padding, and one that nobody knows.
            let options: [[UInt8]] = [
                [0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8], [0, 8, 0, 7, 0, 1, 24, 0, 192, 0, 2], [0, 11, 0, 0], [0, 12, 0, 2, 0, 0],
                [0xfd, 0xe9, 0, 1, 7],
            ]
            for option in options {
                var query = TestMessage.query("www.example.org")
                query[query.count - 1] = UInt8(option.count)
                let reply = try #require(client.ask(query + option))
                #expect(reply.addresses == [1] && reply.hasEDNS && Array(reply.bytes.suffix(2)) == [0, 0])
            }
            #expect(upstream.requests.count == 1)
            #expect(upstream.requests.first.map { Array($0.bytes.suffix(2)) } == [0, 0])
        }
    }
}
