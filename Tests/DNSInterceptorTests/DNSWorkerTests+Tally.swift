import DNSInterceptor
import Enforcement
import Testing

extension DNSWorkerTests {
    @Suite struct Tally {
        private static func counts(_ worker: RunningWorker) -> [String: UInt64] {
            let entries = worker.counters.replies?.entries ?? []
            return Dictionary(
                uniqueKeysWithValues: entries.map {
                    ("\($0.isTCP ? "tcp" : "udp") \($0.family) \($0.type)\($0.isDNSSECOK ? " DO" : "") \($0.code) \($0.source)", $0.count)
                })
        }

        @Test func `every reply is counted once, by transport, family, type, code and source`() throws {
            let upstream = try FakeUpstream { request in
                let soa = TestMessage.Record.soa(of: "example.org", ttl: 60, minimum: 60)
                switch request.name.prefix(2) {
                case "nx": return [.reply(TestMessage.reply(to: request.bytes, [], authority: [soa], code: 3))]
                case "no": return [.reply(TestMessage.reply(to: request.bytes, [], authority: [soa]))]
                case "sf": return [.reply(TestMessage.reply(to: request.bytes, [], code: 2))]
                default: return [.reply(TestMessage.reply(to: request.bytes, [.a(1)]))]
                }
            }
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream], talliesReplies: true) { $0.failureSeconds = 5 }
            defer { worker.stop() }
            let (client, v6, stream) = (try worker.client(), try worker.client(from: "::1"), try worker.streamClient())
            for name in ["www.example.org", "nx.example.org", "no.example.org", "sf.example.org"] {
                for _ in 0..<2 { #expect(client.ask(TestMessage.query(name)) != nil) }
            }
            #expect(v6.ask(TestMessage.query("www.example.org")) != nil)
            stream.sendFrame(TestMessage.query("www.example.org"))
            #expect(stream.receiveFrame() != nil)
            #expect(client.ask(TestMessage.query("localhost", type: 257)) != nil)
            #expect(client.ask(TestMessage.query("www.example.org", type: 255)) != nil)
            #expect(try worker.client(from: "127.0.0.9").ask(TestMessage.query("www.example.org")) != nil)
            #expect(client.ask(TestMessage.query("www.example.org", version: 1)) != nil)
            #expect(client.ask(TestMessage.query("www.example.org", isDNSSECOK: true)) != nil)
            worker.log.release = .refuse(.bindingsFull)
            #expect(client.ask(TestMessage.query("www.example.org")) != nil)
            #expect(
                Self.counts(worker) == [
                    "udp v4 A NOERROR upstream": 2, "udp v4 A NOERROR success": 1, "udp v4 A NOERROR denial": 1,
                    "udp v4 A NXDOMAIN upstream": 1, "udp v4 A NXDOMAIN denial": 1, "udp v4 A SERVFAIL upstream": 1,
                    "udp v4 A SERVFAIL denial": 1, "udp v6 A NOERROR success": 1, "tcp v4 A NOERROR success": 1,
                    "udp v4 other NOERROR local": 1, "udp v4 ANY NOTIMP refused": 1, "udp v4 A REFUSED refused": 1,
                    "udp v4 A BADVERS refused": 1, "udp v4 A DO NOERROR upstream": 1, "udp v4 A SERVFAIL refused": 1,
                ])
            let answers = worker.counters[.answersUDP] + worker.counters[.answersTCP]
            #expect(Self.counts(worker).values.reduce(0, +) == answers)
            #expect(eventually { worker.counters[.cacheDenials] == 3 && worker.counters[.cacheEntries] == 5 })
        }

        @Test func `nothing is counted where nobody asked for it`() throws {
            let upstream = try FakeUpstream.plain()
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream])
            defer { worker.stop() }
            #expect(try worker.client().ask(TestMessage.query("www.example.org")) != nil)
            #expect(worker.counters.replies == nil)
        }
    }
}
