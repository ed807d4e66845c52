import DNSInterceptor
import DomainNames
import Enforcement
import Glibc
import NetworkTypes
import Testing

extension DNSWorkerTests {
    /// Clients that carry data in names.
    @Suite struct Tunnels {
        private func scene(
            _ mode: TunnelLimits.Mode, upstream: FakeUpstream? = nil, staleClientTimeoutMilliseconds: Int = 1_800,
            _ body: (RunningWorker, FakeUpstream, Ring<DNSLogRecord>) throws -> Void
        ) throws {
            let upstream = try upstream ?? FakeUpstream.plain()
            defer { upstream.stop() }
            let ring = Ring<DNSLogRecord>(capacity: 1_024, filler: .filler)
            let worker = try RunningWorker(upstreams: [upstream]) {
                $0.tunnels.mode = mode
                $0.tunnels.freshNamesPerMinute = 20
                $0.staleClientTimeoutMilliseconds = staleClientTimeoutMilliseconds
                $0.log = ring
            }
            defer { worker.stop() }
            try body(worker, upstream, ring)
        }

        /// 100 bytes of hexadecimal digits.
        private static func name(_ number: Int) -> String {
            var state = UInt64(number) &+ 1
            let digits = (0..<100).map { _ in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return String(state >> 60, radix: 16)
            }
            return digits[..<50].joined() + "." + digits[50...].joined() + ".t.example.net"
        }

        @Test func `a tunnel is refused with a reason, and what its client had asked for before is not`() throws {
            try scene(.refuse) { worker, upstream, ring in
                let client = try worker.client()
                #expect(client.ask(TestMessage.query("www.example.net"))?.addresses == [1])
                var refused: [TestReply] = []
                for number in 0..<150 {
                    let reply = try #require(client.ask(TestMessage.query(Self.name(number))))
                    if reply.code == 3 { refused.append(reply) } else { #expect(reply.addresses == [1]) }
                }
                #expect(refused.count > 40)
                #expect(refused.allSatisfy { $0.extendedError == 15 })
                #expect(refused.allSatisfy { String(decoding: $0.bytes, as: UTF8.self).contains("tunnel guard (dns.tunnelGuard)") })
                #expect(upstream.requests.count == 151 - refused.count)
                #expect(worker.counters[.refusedTunnel] == UInt64(refused.count) && worker.counters[.tunnelSuspects] == 0)
                #expect(client.ask(TestMessage.query("www.example.net", isDNSSECOK: true))?.addresses == [1])
                #expect(client.ask(TestMessage.query("www.example.org"))?.addresses == [1])
                // Who is not an endpoint is not looked at.
                #expect(try worker.client(from: "127.0.0.2").ask(TestMessage.query(Self.name(999)))?.addresses == [1])
                var causes = 0
                while let record = ring.popFirst() { causes += record.cause == .refusedTunnel ? 1 : 0 }
                #expect(causes == refused.count)
            }
        }

        @Test func `a tunnel that is observed is answered, counted and marked`() throws {
            try scene(.observe) { worker, upstream, ring in
                let client = try worker.client()
                for number in 0..<150 { #expect(client.ask(TestMessage.query(Self.name(number)))?.addresses == [1]) }
                let suspects = worker.counters[.tunnelSuspects]
                #expect(suspects > 40 && worker.counters[.refusedTunnel] == 0)
                var marked: UInt64 = 0
                while let record = ring.popFirst() { marked += record.isSuspect ? 1 : 0 }
                #expect(marked == suspects)
                // Out of the cache nothing is looked at.
                #expect(client.ask(TestMessage.query(Self.name(149)))?.addresses == [1])
                #expect(worker.counters[.tunnelSuspects] == suspects)
                #expect(ring.popFirst()?.isSuspect == false)
            }
        }

        @Test func `a suspect that gets an expired answer at once is marked, and the next one is not`() throws {
            let brief = try FakeUpstream { [.reply(TestMessage.reply(to: $0.bytes, [.a(1, ttl: 1)]))] }
            try scene(.observe, upstream: brief, staleClientTimeoutMilliseconds: 0) { worker, _, ring in
                let (client, other) = (try worker.client(), try worker.client(from: "127.0.0.2"))
                // Known by somebody who is not looked at.
                let expired = Self.name(1_000)
                #expect(other.ask(TestMessage.query(expired))?.addresses == [1])
                for number in 0..<150 { #expect(client.ask(TestMessage.query(Self.name(number)))?.addresses == [1]) }
                usleep(1_100_000)
                while ring.popFirst() != nil {}
                #expect(client.ask(TestMessage.query(expired))?.addresses == [1])
                var record: DNSLogRecord?
                _ = eventually {
                    record = ring.popFirst()
                    return record != nil
                }
                #expect(record?.lookup == .stale && record?.isSuspect == true)
                #expect(client.ask(TestMessage.query("www.example.org"))?.addresses == [1])
                _ = eventually {
                    record = ring.popFirst()
                    return record != nil
                }
                #expect(record?.lookup == .miss && record?.isSuspect == false)
            }
        }
    }
}
