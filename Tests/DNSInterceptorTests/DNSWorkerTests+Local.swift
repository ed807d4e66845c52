import DNSInterceptor
import DomainNames
import Enforcement
import Glibc
import NetworkTypes
import Testing

extension DNSWorkerTests {
    /// Names that are answered without asking anybody.
    @Suite struct Local {
        private static let ptr: UInt16 = 12

        private static func table(_ text: String) throws -> HostTable {
            var table = HostTable()
            #expect(table.add(text).isEmpty)
            return table
        }

        @Test(arguments: [
            ("localhost", TestMessage.a, UInt8(0), 1), ("LOCALHOST", TestMessage.a, 0, 1), ("a.b.localhost", TestMessage.aaaa, 0, 1),
            ("localhost", TestMessage.txt, 0, 0), ("localhost", TestMessage.soa, 0, 1), ("1.0.0.127.in-addr.arpa", ptr, 0, 1),
            ("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa", ptr, 0, 1), ("2.0.0.127.in-addr.arpa", ptr, 3, 0),
            ("127.in-addr.arpa", ptr, 0, 0), ("127.in-addr.arpa", TestMessage.soa, 0, 1), ("127.in-addr.arpa", 2, 0, 1),
            ("anything.invalid", TestMessage.a, 3, 0), ("invalid", TestMessage.a, 3, 0), ("abc.onion", TestMessage.aaaa, 3, 0),
            ("use-application-dns.net", TestMessage.a, 3, 0), ("_dns.resolver.arpa", 64, 0, 0), ("1.1.254.169.in-addr.arpa", ptr, 3, 0),
            ("1.0.0.10.in-addr.arpa", ptr, 3, 0), ("1.1.20.172.in-addr.arpa", ptr, 3, 0), ("1.2.65.100.in-addr.arpa", ptr, 3, 0),
            ("1.0.d.f.ip6.arpa", ptr, 3, 0), ("nas.home.arpa", TestMessage.a, 3, 0),
        ])
        func `a special-use name is answered here`(_ name: String, _ type: UInt16, _ code: UInt8, _ answers: Int) throws {
            let upstream = try FakeUpstream.plain()
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream]) { $0.local = Published(LocalData(zones: .withPrivate)) }
            defer { worker.stop() }
            let client = try worker.client()
            for _ in 0..<2 {
                let reply = try #require(client.ask(TestMessage.query(name, type: type)))
                #expect(reply.code == code && reply.answerCount == answers && reply.question == name)
                #expect(reply.bytes[2] & 0x04 != 0, "authoritative")
                #expect(reply.bytes[9] == (answers == 0 ? 1 : 0), "an SOA record says how long nothing holds")
                #expect(reply.ttls.allSatisfy { $0 > 0 && $0 <= 10_800 })
                if type == TestMessage.a, code == 0 { #expect(reply.addresses == [1]) }
            }
            #expect(upstream.requests.isEmpty && worker.log.lessons.isEmpty)
            #expect(worker.counters[.localZones] == 2)
        }

        @Test(arguments: [
            "www.example.test", "localhost.example.org", "notlocalhost", "1.0.0.11.in-addr.arpa", "1.1.32.172.in-addr.arpa", "arpa",
            "1.0.0.10.in-addr.arpa", "printer.local", "1.20.10.in-addr.arpa",
        ])
        func `other names are asked upstream, and those that are to be`(_ name: String) throws {
            let upstream = try FakeUpstream.plain()
            defer { upstream.stop() }
            var zones = LocalZones.withPrivate
            zones[try DomainName(parsing: "10.in-addr.arpa")] = .forwarded
            let local = Published(LocalData(zones: zones))
            let worker = try RunningWorker(upstreams: [upstream]) {
                $0.local = local
            }
            defer { worker.stop() }
            #expect(try worker.client().ask(TestMessage.query(name))?.addresses == [1])
            #expect(upstream.requests.count == 1 && worker.counters[.localZones] == 0)
        }

        @Test func `a name of hosts has its addresses, its reverse, and nothing else, and is learned`() throws {
            let upstream = try FakeUpstream.plain(99)
            defer { upstream.stop() }
            let hosts = try Self.table(
                """
                192.0.2.7 db.example.test db # comment

                2001:db8::7\tDB.example.test
                192.0.2.8 db.example.test
                """)
            let worker = try RunningWorker(upstreams: [upstream]) { $0.local = Published(LocalData(hosts: hosts, hostSeconds: 44)) }
            defer { worker.stop() }
            let client = try worker.client()
            let reply = try #require(client.ask(TestMessage.query("db.EXAMPLE.test")))
            #expect(reply.code == 0 && reply.addresses == [7, 8] && reply.ttls == [44, 44] && reply.bytes[2] & 0x04 != 0)
            #expect(client.ask(TestMessage.query("db"))?.addresses == [7])
            #expect(client.ask(TestMessage.query("db.example.test", type: TestMessage.aaaa))?.answerCount == 1)
            let none = try #require(client.ask(TestMessage.query("db.example.test", type: TestMessage.txt)))
            #expect(none.code == 0 && none.answerCount == 0 && none.bytes[9] == 1)
            let reverse = try #require(client.ask(TestMessage.query("7.2.0.192.in-addr.arpa", type: Self.ptr)))
            #expect(reverse.answerCount == 1 && reverse.bytes.contains(subsequence: TestMessage.name("db.example.test")))
            #expect(client.ask(TestMessage.query("sub.db.example.test"))?.addresses == [99], "what is below is an ordinary name")
            #expect(worker.log.lessons.filter { $0.ttl == 44 }.map(\.addresses.count) == [2, 1, 1])
            #expect(upstream.requests.count == 1 && worker.counters[.localHosts] == 5)
            // Policy has its say.
            let name = try DomainName(parsing: "db.example.test")
            worker.log.refusedNames = [name: .deniedName]
            #expect(client.ask(TestMessage.query("db.example.test"))?.code == 3)
            worker.log.refusedNames = [:]
            worker.log.release = .refuse(.bindingsFull)
            #expect(client.ask(TestMessage.query("db.example.test"))?.addresses == [])
        }

        @Test func `an alias is shown with what it leads to, and learned under its own name`() throws {
            let upstream = try FakeUpstream.plain(99)
            defer { upstream.stop() }
            var hosts = try Self.table("192.0.2.7 db.example.test\n192.0.2.8 db.example.test")
            let names = try ["www.example.test", "db-1.example.test", "db.example.test", "loop.example.test"]
                .map { try DomainName(parsing: $0) }
            try hosts.add(alias: names[0], of: names[1])
            try hosts.add(alias: names[1], of: names[2])
            try hosts.add(alias: names[3], of: names[3])
            #expect(throws: HostTable.Problem.self) { try hosts.add(alias: names[2], of: names[0]) }
            #expect(throws: HostTable.Problem.self) { try hosts.add(line: "192.0.2.9 www.example.test") }
            let data = LocalData(hosts: hosts, hostSeconds: 44)
            let worker = try RunningWorker(upstreams: [upstream]) { $0.local = Published(data) }
            defer { worker.stop() }
            let client = try worker.client()
            let reply = try #require(client.ask(TestMessage.query("WWW.example.test")))
            #expect(reply.code == 0 && reply.answerCount == 4 && reply.addresses == [7, 8] && reply.ttls == [44, 44, 44, 44])
            #expect(reply.bytes[2] & 0x04 != 0 && reply.bytes.contains(subsequence: TestMessage.name("db.example.test")))
            let none = try #require(client.ask(TestMessage.query("www.example.test", type: TestMessage.aaaa)))
            #expect(none.code == 0 && none.answerCount == 2 && none.bytes[9] == 1 && none.addresses.isEmpty)
            let alias = try #require(client.ask(TestMessage.query("www.example.test", type: TestMessage.cname)))
            #expect(alias.code == 0 && alias.answerCount == 1 && alias.bytes.contains(subsequence: TestMessage.name("db-1.example.test")))
            #expect(client.ask(TestMessage.query("db-1.example.test"))?.answerCount == 3)
            #expect(worker.log.lessons.map(\.name) == [names[0], names[1]])
            #expect(worker.log.lessons.allSatisfy { $0.ttl == 44 && $0.addresses.count == 2 })
            #expect(upstream.requests.isEmpty && worker.counters[.localHosts] == 4)
            #expect(client.ask(TestMessage.query("loop.example.test"))?.addresses == [99], "leads nowhere here")
        }

        @Test func `new hosts take the place of what upstreams had said, and give it back`() throws {
            let upstream = try FakeUpstream.plain(99)
            defer { upstream.stop() }
            let local = Published(LocalData())
            let worker = try RunningWorker(upstreams: [upstream]) { $0.local = local }
            defer { worker.stop() }
            let client = try worker.client()
            let query = TestMessage.query("db.example.test")
            let other = TestMessage.query("www.example.test")
            #expect(client.ask(query)?.addresses == [99] && client.ask(other)?.addresses == [99])
            local.publish(LocalData(hosts: try Self.table("192.0.2.7 db.example.test")))
            #expect(eventually { client.ask(query)?.addresses == [7] })
            local.publish(LocalData())
            #expect(eventually { client.ask(query)?.addresses == [99] })
            #expect(client.ask(other)?.addresses == [99])
            #expect(upstream.requests.count { $0.name == "www.example.test" } == 1, "the rest of the cache is kept")
            #expect(upstream.requests.count { $0.name == "db.example.test" } == 2)
        }

        @Test func `lines that are no good are told and the others taken`() throws {
            var table = HostTable()
            let problems = table.add(
                "192.0.2.1 good.example.test\nnonsense\n192.0.2.2\n::g bad.example.test\n192.0.2.3 a..b\n192.0.2.4 last.example.test")
            #expect(problems.map(\.line) == [2, 3, 4, 5])
            #expect(table.count == 2)
            let many = (0...255).map { "192.0.2.\($0) many.example.test" }.joined(separator: "\n")
            #expect(table.add(many).count == 256 - HostTable.addressesPerNameMax)
        }

        // MARK: search lists

        @Test(arguments: [
            ("www.example.org.default.svc.cluster.local", true), ("www.example.org.svc.cluster.local", false),
            ("www.example.org.cluster.local", true), ("example.org.cluster.local", true), ("api.dev.svc.cluster.local", false),
            ("web-0.app.shop.svc.cluster.local", false), ("_http._tcp.app.shop.svc.cluster.local", false),
            ("www.example.internal.default.svc.cluster.local", false), ("www.example.org", false), ("cluster.local", false),
        ])
        func `a public name with a suffix behind it is answered here, and nothing that may be meant`(
            _ name: String, _ isLocal: Bool
        ) throws {
            let upstream = try FakeUpstream.plain()
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream]) {
                $0.search = SearchSuffixes(
                    ["svc.cluster.local", "cluster.local"].compactMap { try? DomainName(parsing: $0) }, answersLocally: true,
                    negativeSecondsMin: 120)
            }
            defer { worker.stop() }
            let reply = try #require(try worker.client().ask(TestMessage.query(name)))
            #expect(reply.code == (isLocal ? 3 : 0))
            if isLocal { #expect(reply.ttls == [120]) }
            #expect(upstream.requests.isEmpty == isLocal)
            #expect(worker.counters[.localSearch] == (isLocal ? 1 : 0))
        }

        @Test func `negative answers below a suffix are kept for the minimum, with the TTL that they came with`() throws {
            let upstream = try FakeUpstream { request in
                let isBelow = request.name.hasSuffix("cluster.local")
                let soa = TestMessage.Record.soa(of: isBelow ? "cluster.local" : "example.org", ttl: 1, minimum: 1)
                return [.reply(TestMessage.reply(to: request.bytes, [], authority: [soa], code: 3))]
            }
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream]) {
                $0.search = SearchSuffixes(["cluster.local"].compactMap { try? DomainName(parsing: $0) })
            }
            defer { worker.stop() }
            let client = try worker.client()
            for _ in 0..<2 {
                for name in ["a.b.svc.cluster.local", "gone.example.org"] {
                    let reply = try #require(client.ask(TestMessage.query(name)))
                    #expect(reply.code == 3 && reply.ttls.allSatisfy { $0 <= 1 })
                }
                usleep(1_100_000)
            }
            #expect(upstream.requests.count { $0.name == "a.b.svc.cluster.local" } == 1)
            #expect(upstream.requests.count { $0.name == "gone.example.org" } == 2)
        }
    }
}

extension [UInt8] {
    fileprivate func contains(subsequence: [UInt8]) -> Bool {
        indices.contains { self[$0...].starts(with: subsequence) }
    }
}
