import DNSInterceptor
import DNSMessages
import DomainNames
import Enforcement
import NetworkTypes
import Testing

/// A worker with real loopback sockets between test clients and fake upstreams. One at a time: some tests count descriptors or time.
@Suite(.serialized)
struct DNSWorkerTests {}

extension DNSWorkerTests {
    @Suite struct Answers {
        @Test func `the first query is forwarded and the second answered from the cache`() throws {
            let upstream = try FakeUpstream.plain(7)
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream])
            defer { worker.stop() }
            let client = try worker.client()
            for id: UInt16 in [1, 2, 3] {
                let reply = try #require(client.ask(TestMessage.query("www.example.org", id: id)))
                #expect(reply.id == id && reply.code == 0 && reply.addresses == [7] && reply.isRecursionAvailable && reply.hasEDNS)
            }
            #expect(upstream.requests.count == 1)
            #expect(worker.counters[.cacheHits] == 2 && worker.counters[.cacheMisses] == 1 && worker.counters[.queriesUDP] == 3)
            #expect(worker.counters.releaseLatencyCounts.reduce(0, +) == 1)
        }

        @Test func `the question comes back in the client's letter case, fresh and cached`() throws {
            let upstream = try FakeUpstream.plain()
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream])
            defer { worker.stop() }
            let client = try worker.client()
            for name in ["wWw.eXamPle.oRg", "WWW.EXAMPLE.ORG", "www.example.org"] {
                #expect(try #require(client.ask(TestMessage.query(name))).question == name)
            }
            #expect(upstream.requests.count == 1)
        }

        @Test func `a query goes upstream with random id, port and letter case`() throws {
            let upstream = try FakeUpstream.plain(ttl: 0)
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream])
            defer { worker.stop() }
            let client = try worker.client()
            for _ in 0..<8 { _ = try #require(client.ask(TestMessage.query("long-enough-to-vary.example.org", id: 9))) }
            let requests = upstream.requests
            #expect(requests.count == 8)
            #expect(Set(requests.map { Array($0.bytes[0..<2]) }).count > 4)
            #expect(Set(requests.map(\.sourcePort)).count > 4)
            #expect(Set(requests.map { TestMessage.questionText($0.bytes) }).count > 4)
        }

        @Test func `a TTL counts down in the cache and then the name is asked again`() throws {
            let upstream = try FakeUpstream.plain(ttl: 2)
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream])
            defer { worker.stop() }
            let client = try worker.client()
            let query = TestMessage.query("www.example.org")
            #expect(client.ask(query)?.ttls == [2])
            #expect(eventually { client.ask(query)?.ttls == [1] })
            #expect(eventually { client.ask(query)?.ttls == [2] })
            #expect(upstream.requests.count == 2)
        }

        @Test func `negative answers are cached by their SOA record and not without one`() throws {
            let upstream = try FakeUpstream { request in
                let soa = TestMessage.Record.soa(of: "example.org", ttl: 3_000, minimum: 60)
                switch request.name {
                case "gone.example.org": return [.reply(TestMessage.reply(to: request.bytes, [], authority: [soa], code: 3))]
                case "empty.example.org": return [.reply(TestMessage.reply(to: request.bytes, [], authority: [soa]))]
                default: return [.reply(TestMessage.reply(to: request.bytes, []))]
                }
            }
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream])
            defer { worker.stop() }
            let client = try worker.client()
            for (name, code, sent) in [("gone.example.org", 3, 1), ("empty.example.org", 0, 1), ("bare.example.org", 0, 2)] {
                for _ in 0..<2 {
                    let reply = try #require(client.ask(TestMessage.query(name)))
                    #expect(reply.code == code && reply.answerCount == 0)
                    #expect(reply.ttls.allSatisfy { $0 <= 60 }, "the SOA record's TTL is no longer than the answer holds")
                }
                #expect(upstream.requests.count { $0.name == name } == sent, "\(name)")
            }
            #expect(worker.log.lessons.isEmpty)
        }

        @Test func `equal questions in flight are asked once and answered to each in its own form`() throws {
            let upstream = try FakeUpstream { [.replyLater(TestMessage.reply(to: $0.bytes, [.a(5)]), milliseconds: 100)] }
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream])
            defer { worker.stop() }
            let clients = try (0..<5).map { _ in try worker.client() }
            let other = try worker.client(from: "127.0.0.2")
            for (index, client) in clients.enumerated() {
                let name = index == 0 ? "WWW.example.org" : "www.example.ORG"
                client.send(TestMessage.query(name, id: UInt16(100 + index), edns: index == 1 ? nil : 1_232))
            }
            other.send(TestMessage.query("www.example.org", id: 200))
            for (index, client) in clients.enumerated() {
                let reply = try #require(TestReply(client.receive()))
                #expect(reply.id == 100 + index && reply.addresses == [5] && reply.hasEDNS == (index != 1))
                #expect(reply.question == (index == 0 ? "WWW.example.org" : "www.example.ORG"))
            }
            #expect(TestReply(other.receive())?.id == 200)
            #expect(upstream.requests.count == 1)
            #expect(worker.counters[.coalesced] == 5)
            #expect(worker.log.lessons.count == 5, "each policed client learns for itself, the other nothing")
        }

        @Test func `a DO query and a plain query do not share an answer`() throws {
            let upstream = try FakeUpstream.plain()
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream])
            defer { worker.stop() }
            let client = try worker.client()
            for isDNSSECOK in [false, true, false, true] {
                #expect(client.ask(TestMessage.query("www.example.org", isDNSSECOK: isDNSSECOK))?.code == 0)
            }
            #expect(upstream.requests.count == 2)
        }

        @Test func `an answer too large for UDP is cut, teaches nothing, and comes whole over TCP`() throws {
            let upstream = try FakeUpstream { [.reply(TestMessage.reply(to: $0.bytes, (1...60).map { .a($0) }))] }
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream])
            defer { worker.stop() }
            let client = try worker.client()
            let query = TestMessage.query("many.example.org", edns: nil)
            let cut = try #require(client.ask(query))
            #expect(cut.isTruncated && cut.answerCount == 0 && cut.bytes.count <= 512)
            #expect(worker.log.lessons.isEmpty && worker.counters[.answersTruncated] == 1)
            #expect(client.ask(TestMessage.query("many.example.org", edns: 4_096))?.addresses.count == 60)
            let stream = try worker.streamClient()
            stream.sendFrame(query)
            let whole = try #require(TestReply(stream.receiveFrame()))
            #expect(!whole.isTruncated && whole.addresses.count == 60)
            #expect(worker.log.lessons.map(\.addresses.count) == [60, 60])
        }

        @Test func `the cache stays within its bounds and keeps what is in use`() throws {
            let upstream = try FakeUpstream.plain()
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream]) { $0.cacheEntriesMax = 50 }
            defer { worker.stop() }
            let client = try worker.client()
            for number in 0..<400 {
                #expect(client.ask(TestMessage.query("n\(number).example.org"))?.addresses == [1])
                #expect(client.ask(TestMessage.query("often.example.net"))?.addresses == [1])
            }
            #expect(upstream.requests.count { $0.name == "often.example.net" } == 1)
            #expect(eventually { worker.counters[.cacheEvictions] > 340 })
            #expect(worker.counters[.cacheEntries] <= 50)
        }

        @Test func `a small cache in bytes forgets but answers`() throws {
            let upstream = try FakeUpstream.plain()
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream]) { $0.cacheBytesMax = 8_192 }
            defer { worker.stop() }
            let client = try worker.client()
            for number in 0..<60 { #expect(client.ask(TestMessage.query("n\(number % 30).example.org"))?.addresses == [1]) }
            #expect(eventually { worker.counters[.cacheBytes] > 0 })
            #expect(worker.counters[.cacheBytes] <= 8_192)
        }

        @Test func `a reply leaves from the address that was asked`() throws {
            let upstream = try FakeUpstream.plain()
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream], listen: IPAddress(v4: 0))
            defer { worker.stop() }
            // A connected client hears only the address it asked; 127.0.0.1 would be the kernel's choice for 127.0.0.9.
            let client = try #require(TestSocket.connect(to: worker.port, to: "127.0.0.9"))
            #expect(client.ask(TestMessage.query("www.example.org"))?.addresses == [1])
            #expect(try worker.client(from: "::1").ask(TestMessage.query("www.example.org"))?.addresses == [1])
        }
    }
}
