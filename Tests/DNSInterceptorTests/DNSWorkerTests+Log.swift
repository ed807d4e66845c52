import DNSInterceptor
import DNSMessages
import DomainNames
import Enforcement
import Glibc
import NetworkTypes
import Testing

extension DNSWorkerTests {
    /// What the log is told of each reply.
    @Suite struct Log {
        private struct Noted {
            let record: DNSLogRecord
            let name: String
            let code: UInt16
            let records: [String]
            let missing: Int

            init(_ record: DNSLogRecord) throws {
                self.record = record
                let found = record.withReply { bytes in ReplyText(bytes).map { ($0, $0.records(in: bytes)) } }
                let (text, (records, missing)) = try #require(found)
                name = text.qname.description
                code = text.rcode.rawValue
                self.records = records.map { "\($0.owner) \($0.type) \($0.data)" }
                self.missing = missing
            }
        }

        private func next(_ ring: Ring<DNSLogRecord>) throws -> Noted {
            var record: DNSLogRecord?
            _ = eventually {
                record = ring.popFirst()
                return record != nil
            }
            return try Noted(try #require(record))
        }

        private func scene(
            capacity: Int = 64, upstream: FakeUpstream, staleClientTimeoutMilliseconds: Int = 1_800,
            _ body: (RunningWorker, Ring<DNSLogRecord>) throws -> Void
        ) throws {
            defer { upstream.stop() }
            let ring = Ring<DNSLogRecord>(capacity: capacity, filler: .filler)
            let worker = try RunningWorker(upstreams: [upstream]) {
                $0.log = ring
                $0.local = Published(LocalData(zones: .standard))
                $0.staleClientTimeoutMilliseconds = staleClientTimeoutMilliseconds
            }
            defer { worker.stop() }
            try body(worker, ring)
        }

        @Test func `a miss and a hit are noted with client, answer, server and time, over UDP and TCP`() throws {
            let upstream = try FakeUpstream {
                [.reply(TestMessage.reply(to: $0.bytes, [.cname("edge.example.net"), .a(9, owner: "edge.example.net")]))]
            }
            let answer = ["www.example.org CNAME edge.example.net", "edge.example.net A 192.0.2.9"]
            try scene(upstream: upstream) { worker, ring in
                #expect(try worker.client().ask(TestMessage.query("WWW.example.org"))?.addresses == [9])
                let miss = try next(ring)
                #expect(miss.record.lookup == .miss && miss.name == "www.example.org" && miss.code == 0 && miss.records == answer)
                #expect(miss.record.server == IPAddress(v4: 0x7f00_0001))
                #expect(try #require(miss.record.latencyNanoseconds) > 0)
                #expect(miss.record.cause == nil && miss.record.rule == nil && miss.missing == 0)
                let stream = try worker.streamClient(from: "127.0.0.2")
                #expect(stream.sendFrame(TestMessage.query("www.example.org")))
                #expect(TestReply(stream.receiveFrame())?.addresses == [9])
                let hit = try next(ring)
                #expect(hit.record.lookup == .hit && hit.records == answer && hit.record.latencyNanoseconds == nil)
                #expect(hit.record.source == IPAddress(v4: 0x7f00_0002))
                #expect(hit.record.server == miss.record.server && hit.record.answeredAt == miss.record.answeredAt)
            }
        }

        @Test func `refusals are noted with their reason and rule, fresh or cached`() throws {
            try scene(upstream: try FakeUpstream.plain()) { worker, ring in
                let denied = try DomainName(parsing: "denied.example.org")
                worker.log.refusedNames = [denied: .deniedName]
                let client = try worker.client()
                #expect(client.ask(TestMessage.query("denied.example.org"))?.extendedError == 15)
                let refused = try next(ring)
                #expect(refused.record.lookup == .refused && refused.code == 3 && refused.name == "denied.example.org")
                #expect(refused.record.cause == .refusedDeniedName && refused.record.cause?.reason == "denied_name")
                #expect(refused.record.rule == "default|web|egress[0]|Deny")
                #expect(client.ask(TestMessage.query("x.example.org", type: 255))?.code == 4)
                #expect(try next(ring).record.cause == .refusedAny)
                #expect(try worker.client(from: "127.0.0.9").ask(TestMessage.query("x.example.org"))?.code == 5)
                let stranger = try next(ring)
                #expect(stranger.record.cause == .refusedUnknownClient && stranger.record.source == IPAddress(v4: 0x7f00_0009))
                worker.log.release = .refuse(.rebinding)
                for _ in 0..<2 {
                    #expect(client.ask(TestMessage.query("inside.example.org"))?.code == 5)
                    #expect(try next(ring).record.cause == .refusedRebinding)
                }
                #expect(DNSCounter.refusedRebinding.isRefusal && !DNSCounter.failedWaiters.isRefusal)
            }
        }

        @Test func `expired answers, names of the node and failures are noted as such`() throws {
            let upstream = try FakeUpstream { request in
                let fails = TestMessage.questionText(request.bytes).lowercased().hasPrefix("fails")
                return [.reply(TestMessage.reply(to: request.bytes, fails ? [] : [.a(1, ttl: 1)], code: fails ? 2 : 0))]
            }
            // An expired answer is given out at once.
            try scene(upstream: upstream, staleClientTimeoutMilliseconds: 0) { worker, ring in
                let client = try worker.client()
                #expect(client.ask(TestMessage.query("localhost"))?.code == 0)
                #expect(try next(ring).record.lookup == .local)
                #expect(client.ask(TestMessage.query("fails.example.org"))?.code == 2)
                for lookup in [DNSLogRecord.Lookup.miss, .hit] {
                    let failed = try next(ring)
                    #expect(failed.code == 2 && failed.record.lookup == lookup && failed.record.cause == .failedUpstreams)
                    #expect((failed.record.latencyNanoseconds != nil) == (lookup == .miss))
                    if lookup == .miss { #expect(client.ask(TestMessage.query("fails.example.org"))?.code == 2) }
                }
                #expect(client.ask(TestMessage.query("www.example.org"))?.addresses == [1])
                #expect(try next(ring).record.lookup == .miss)
                var lookup = DNSLogRecord.Lookup.hit
                while lookup == .hit {
                    usleep(200_000)
                    #expect(client.ask(TestMessage.query("www.example.org"))?.addresses == [1])
                    lookup = try next(ring).record.lookup
                }
                #expect(lookup == .stale)
            }
        }

        @Test func `of a long answer the first records are noted, and how many are missing`() throws {
            let upstream = try FakeUpstream { request in
                [.reply(TestMessage.reply(to: request.bytes, (0..<60).map { .a(UInt8($0)) }))]
            }
            try scene(upstream: upstream) { worker, ring in
                #expect(try worker.client().ask(TestMessage.query("many.example.org"))?.answerCount == 60)
                let noted = try next(ring)
                #expect(noted.records.count == (DNSLogRecord.bytesMax - 34) / 16)
                #expect(noted.records.count + noted.missing == 60)
            }
        }

        @Test func `a ring that nobody reads loses records, which it counts, and no reply`() throws {
            try scene(capacity: 4, upstream: try FakeUpstream.plain()) { worker, ring in
                let client = try worker.client()
                for _ in 0..<20 { #expect(client.ask(TestMessage.query("www.example.org"))?.addresses == [1]) }
                #expect(eventually { ring.droppedCount == 16 })
            }
        }
    }
}
