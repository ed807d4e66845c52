import DNSInterceptor
import DomainNames
import Enforcement
import Testing

extension DNSWorkerTests {
    /// `DNSWorkerConfiguration.cutsAtNameErrors` (RFC 8020).
    @Suite struct Cuts {
        /// NXDOMAIN at and below gone.example.org, with a SOA record of example.org, but for names in `answers`; without one for bare.example.org; NODATA for
        /// empty.example.org; an alias whose target does not exist; an address for all others.
        private static func upstream(
            ttl: UInt32 = 60, answers below: Set<String> = ["there.gone.example.org", "www.corp.gone.example.org"]
        ) throws -> FakeUpstream {
            try FakeUpstream { request in
                let soa = TestMessage.Record.soa(of: "example.org", ttl: ttl, minimum: 3_600)
                let name = request.name.lowercased()
                if below.contains(name) { return [.reply(TestMessage.reply(to: request.bytes, [.a(9)]))] }
                if name == "gone.example.org" || name.hasSuffix(".gone.example.org") {
                    return [.reply(TestMessage.reply(to: request.bytes, [], authority: [soa], code: 3))]
                }
                switch name {
                case "bare.example.org": return [.reply(TestMessage.reply(to: request.bytes, [], code: 3))]
                case "empty.example.org": return [.reply(TestMessage.reply(to: request.bytes, [], authority: [soa]))]
                case "alias.example.org":
                    return [
                        .reply(
                            TestMessage.reply(to: request.bytes, [.cname("nowhere.example.org", ttl: 60)], authority: [soa], code: 3))
                    ]
                default: return [.reply(TestMessage.reply(to: request.bytes, [.a(7)]))]
                }
            }
        }

        private static func name(_ text: String) throws -> DomainName { try DomainName(parsing: text) }

        @Test func `below a name that does not exist nobody is asked`() throws {
            let upstream = try Self.upstream()
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream], talliesReplies: true) { $0.cutsAtNameErrors = true }
            defer { worker.stop() }
            let client = try worker.client()
            #expect(client.ask(TestMessage.query("gone.example.org"))?.code == 3)
            // Whatever the type, letter case and depth, what there may be below included.
            let deep = String(repeating: "a.", count: 110) + "gone.example.org"
            for (number, (name, type)) in [
                ("there.gone.example.org", TestMessage.a), ("There.GONE.Example.org", TestMessage.aaaa),
                ("x.gone.example.org", TestMessage.txt),
                (deep, TestMessage.a),
            ].enumerated() {
                let reply = try #require(client.ask(TestMessage.query(name, type: type, id: UInt16(number))))
                #expect(reply.id == number && reply.code == 3 && reply.question == name && reply.addresses.isEmpty)
                #expect(reply.ttls.count == 1 && reply.ttls.allSatisfy { $0 <= 60 && $0 > 50 }, "the SOA record with what is left")
                #expect(reply.extendedError == 29)
            }
            let plain = try #require(client.ask(TestMessage.query("y.gone.example.org", edns: nil)))
            #expect(plain.code == 3 && !plain.hasEDNS && plain.ttls.count == 1)
            // Nothing is kept of it, so each is found so again.
            #expect(client.ask(TestMessage.query("y.gone.example.org"))?.code == 3)
            #expect(upstream.requests.map(\.name) == ["gone.example.org"])
            #expect(worker.counters[.cacheCuts] == 6 && worker.counters[.cacheMisses] == 7 && worker.counters[.cacheHits] == 0)
            #expect(eventually { worker.counters[.cacheEntries] == 1 })
            #expect(worker.counters.replies?.entries.filter { $0.source == .denial }.reduce(0) { $0 + $1.count } == 6)
            #expect(worker.log.lessons.isEmpty)
        }

        @Test func `names beside and above are asked for, and those below other negative answers`() throws {
            let upstream = try Self.upstream()
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream]) { $0.cutsAtNameErrors = true }
            defer { worker.stop() }
            let client = try worker.client()
            for (name, code) in [("gone.example.org", 3), ("empty.example.org", 0), ("alias.example.org", 3), ("bare.example.org", 3)] {
                #expect(client.ask(TestMessage.query(name))?.code == UInt8(code), "\(name)")
            }
            for name in [
                "www.example.org", "example.org", "begone.example.org", "x.empty.example.org", "x.alias.example.org", "x.bare.example.org",
                "gone.example.org.example.net",
            ] {
                #expect(client.ask(TestMessage.query(name))?.addresses == [7], "\(name)")
            }
            #expect(worker.counters[.cacheCuts] == 0 && upstream.requests.count == 11)
        }

        @Test func `without the setting names below are asked for`() throws {
            let upstream = try Self.upstream()
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream])
            defer { worker.stop() }
            let client = try worker.client()
            #expect(client.ask(TestMessage.query("gone.example.org"))?.code == 3)
            #expect(client.ask(TestMessage.query("there.gone.example.org"))?.addresses == [9])
            #expect(upstream.requests.count == 2 && worker.counters[.cacheCuts] == 0)
        }

        @Test func `it ends with the TTL, also where expired answers are kept`() throws {
            let upstream = try Self.upstream(ttl: 1)
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream]) {
                $0.cutsAtNameErrors = true
                $0.staleSecondsMax = 3_600
            }
            defer { worker.stop() }
            let client = try worker.client()
            // As quick as can be: within the second unless the machine stands still.
            #expect(
                eventually {
                    _ = client.ask(TestMessage.query("gone.example.org"))
                    return client.ask(TestMessage.query("x.gone.example.org"))?.code == 3 && worker.counters[.cacheCuts] > 0
                })
            #expect(eventually { client.ask(TestMessage.query("there.gone.example.org"))?.addresses == [9] })
        }

        @Test func `queries with DO or CD are asked for, and what they bring is nobody else's`() throws {
            let upstream = try Self.upstream()
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream]) { $0.cutsAtNameErrors = true }
            defer { worker.stop() }
            let client = try worker.client()
            func query(_ name: String, isDNSSECOK: Bool, isCheckingDisabled: Bool) -> [UInt8] {
                var query = TestMessage.query(name, isDNSSECOK: isDNSSECOK)
                if isCheckingDisabled { query[3] |= 0x10 }
                return query
            }
            for (isDNSSECOK, isCheckingDisabled) in [(true, false), (false, true), (true, true)] {
                #expect(client.ask(query("gone.example.org", isDNSSECOK: isDNSSECOK, isCheckingDisabled: isCheckingDisabled))?.code == 3)
            }
            #expect(client.ask(TestMessage.query("there.gone.example.org"))?.addresses == [9])
            #expect(client.ask(TestMessage.query("gone.example.org"))?.code == 3)
            for (isDNSSECOK, isCheckingDisabled) in [(true, false), (false, true), (true, true)] {
                let reply = client.ask(
                    query("there.gone.example.org", isDNSSECOK: isDNSSECOK, isCheckingDisabled: isCheckingDisabled))
                #expect(reply?.addresses == [9])
            }
            #expect(worker.counters[.cacheCuts] == 0)
        }

        @Test func `a zone with upstreams of its own, names of the node, and what policy refuses are not cut`() throws {
            let upstream = try Self.upstream()
            defer { upstream.stop() }
            let corp = try Self.upstream()
            defer { corp.stop() }
            let zone = try ForwardingZone(Self.name("corp.gone.example.org"), upstreams: [corp.address])
            var hosts = HostTable()
            #expect(hosts.add("192.0.2.33 host.gone.example.org\n").isEmpty)
            let local = LocalData(zones: LocalZones(), hosts: hosts)
            let worker = try RunningWorker(upstreams: [upstream]) {
                $0.cutsAtNameErrors = true
                $0.zones = [zone]
                $0.local = Published(local)
            }
            defer { worker.stop() }
            let client = try worker.client()
            #expect(client.ask(TestMessage.query("gone.example.org"))?.code == 3)
            #expect(client.ask(TestMessage.query("www.corp.gone.example.org"))?.addresses == [9])
            #expect(client.ask(TestMessage.query("host.gone.example.org"))?.addresses == [33])
            #expect(worker.counters[.cacheCuts] == 0)
            #expect(client.ask(TestMessage.query("x.gone.example.org"))?.code == 3)
            #expect(worker.counters[.cacheCuts] == 1)
            // What the zone's own upstreams deny counts within the zone.
            #expect(client.ask(TestMessage.query("b.corp.gone.example.org"))?.code == 3)
            #expect(client.ask(TestMessage.query("a.b.corp.gone.example.org"))?.code == 3)
            #expect(worker.counters[.cacheCuts] == 2 && corp.requests.count == 2)
        }
    }
}
