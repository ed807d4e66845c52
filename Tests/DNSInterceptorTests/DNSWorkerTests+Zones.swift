import DNSInterceptor
import DomainNames
import Enforcement
import Testing

extension DNSWorkerTests {
    @Suite struct Zones {
        struct Row: Sendable, CustomTestStringConvertible {
            let name: String
            /// As its place in `zones`; 0: the root.
            let zone: UInt8
            var testDescription: String { name }
        }

        private static let zones = ["example.org", "corp.example.org", "a.b.corp.example.org", "2.0.192.in-addr.arpa", "ORG.example.net"]

        private static let rows = [
            Row(name: "example.org", zone: 1),
            Row(name: "www.example.org", zone: 1),
            Row(name: "corp.example.org", zone: 2),
            Row(name: "x.y.CORP.Example.ORG", zone: 2),
            Row(name: "b.corp.example.org", zone: 2),
            Row(name: "x.a.b.corp.example.org", zone: 3),
            // Not at a border of labels.
            Row(name: "mycorp.example.org", zone: 1),
            Row(name: "myexample.org", zone: 0),
            Row(name: "org", zone: 0),
            Row(name: "5.2.0.192.in-addr.arpa", zone: 4),
            Row(name: "52.0.192.in-addr.arpa", zone: 0),
            Row(name: "www.org.example.net", zone: 5),
            // One label that ends with the wire form of a zone, and one of the most labels that there can be.
            Row(name: "x\u{3}org\u{7}example\u{3}net", zone: 0),
            Row(name: String(repeating: "a.", count: 119) + "example.org", zone: 1),
        ]

        @Test func `a name goes to the longest zone that it lies in, label by label, whatever the letter case`() throws {
            let upstreams = try (0...Self.zones.count).map { number in try FakeUpstream.plain(UInt8(number)) }
            defer { for upstream in upstreams { upstream.stop() } }
            let worker = try RunningWorker(upstreams: [upstreams[0]]) { configuration in
                // The reverse zone would be the node's own.
                configuration.local = Published(LocalData(zones: LocalZones()))
                for (zone, upstream) in zip(Self.zones, upstreams.dropFirst()) {
                    guard let name = try? DomainName(parsing: zone) else { continue }
                    configuration.zones.append(ForwardingZone(name, upstreams: [upstream.address]))
                }
            }
            defer { worker.stop() }
            let client = try worker.client()
            for row in Self.rows {
                #expect(client.ask(TestMessage.query(row.name))?.addresses == [row.zone], "\(row.name)")
                // Answers are kept by name, type and flags alone, whoever gave them.
                #expect(client.ask(TestMessage.query(row.name))?.addresses == [row.zone], "\(row.name)")
            }
            #expect(worker.counters[.cacheHits] == UInt64(Self.rows.count))
            #expect(upstreams.map { $0.requests.count }.reduce(0, +) == Self.rows.count)
        }

        @Test func `a zone whose upstreams are dead does not fall back to another's, and does not harm it`() throws {
            let root = try FakeUpstream.plain(1)
            defer { root.stop() }
            let silent = try FakeUpstream { _ in [] }
            defer { silent.stop() }
            let corp = try ForwardingZone(DomainName(parsing: "corp.example.org"), upstreams: [silent.address])
            let worker = try RunningWorker(upstreams: [root]) {
                $0.zones = [corp]
                $0.tryTimeoutsMilliseconds = [30, 30, 30, 800]
            }
            defer { worker.stop() }
            let client = try worker.client()
            #expect(client.ask(TestMessage.query("www.corp.example.org"))?.extendedError == 22)
            #expect(client.ask(TestMessage.query("www.example.org"))?.addresses == [1])
            #expect(root.requests.map(\.name) == ["www.example.org"])
            #expect(worker.counters[.upstreamDown] == 1)
        }

        @Test func `one server in two zones is known apart in each`() throws {
            let server = try FakeUpstream { request in
                request.name.hasSuffix("corp.example.org") ? [] : [.reply(TestMessage.reply(to: request.bytes, [.a(1)]))]
            }
            defer { server.stop() }
            let corp = try ForwardingZone(DomainName(parsing: "corp.example.org"), upstreams: [server.address])
            let worker = try RunningWorker(upstreams: [server]) {
                $0.zones = [corp]
                $0.tryTimeoutsMilliseconds = [30, 30, 30, 800]
            }
            defer { worker.stop() }
            let client = try worker.client()
            #expect(client.ask(TestMessage.query("www.corp.example.org"))?.code == 2)
            #expect(client.ask(TestMessage.query("www.example.org"))?.addresses == [1])
            #expect(eventually { worker.counters[.upstreamsDown] == 1 }, "in the one zone, and up in the other")
        }

        struct Way: Sendable, CustomTestStringConvertible {
            var forcesTCP = false
            var prefersUDP = false
            let comesOverTCP: Bool
            let goesOverTCP: Bool
            var testDescription: String { "force \(forcesTCP), prefer \(prefersUDP): TCP \(comesOverTCP) -> TCP \(goesOverTCP)" }
        }

        @Test(arguments: [
            Way(comesOverTCP: false, goesOverTCP: false),
            Way(comesOverTCP: true, goesOverTCP: true),
            Way(prefersUDP: true, comesOverTCP: false, goesOverTCP: false),
            Way(prefersUDP: true, comesOverTCP: true, goesOverTCP: false),
            Way(forcesTCP: true, comesOverTCP: false, goesOverTCP: true),
            Way(forcesTCP: true, comesOverTCP: true, goesOverTCP: true),
            Way(forcesTCP: true, prefersUDP: true, comesOverTCP: false, goesOverTCP: true),
            Way(forcesTCP: true, prefersUDP: true, comesOverTCP: true, goesOverTCP: true),
        ]) func `a question goes out as it came, unless TCP is forced or UDP preferred`(_ way: Way) throws {
            let upstream = try FakeUpstream.plain(4)
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream]) {
                $0.root.options.forcesTCP = way.forcesTCP
                $0.root.options.prefersUDP = way.prefersUDP
            }
            defer { worker.stop() }
            let query = TestMessage.query("www.example.org")
            if way.comesOverTCP {
                let stream = try worker.streamClient()
                stream.sendFrame(query)
                #expect(TestReply(stream.receiveFrame())?.addresses == [4])
            } else {
                #expect(try worker.client().ask(query)?.addresses == [4])
            }
            #expect(upstream.requests.map(\.isTCP) == [way.goesOverTCP])
        }

        @Test func `UDP that is preferred still gives way to TCP when the answer is cut short`() throws {
            let upstream = try FakeUpstream { request in
                request.isTCP
                    ? [.reply(TestMessage.reply(to: request.bytes, (1...100).map { .a($0) }))]
                    : [.reply(TestMessage.reply(to: request.bytes, [.a(66)], isTruncated: true))]
            }
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream]) { $0.root.options.prefersUDP = true }
            defer { worker.stop() }
            let stream = try worker.streamClient()
            stream.sendFrame(TestMessage.query("www.example.org"))
            #expect(TestReply(stream.receiveFrame())?.addresses == Array(1...100))
            #expect(upstream.requests.map(\.isTCP) == [false, true])
        }

        @Test func `an upstream that has its fill of questions gets no more, and others go on`() throws {
            let silent = try FakeUpstream { _ in [] }
            defer { silent.stop() }
            let good = try FakeUpstream.plain(4)
            defer { good.stop() }
            let corp = try ForwardingZone(DomainName(parsing: "corp.example.org"), upstreams: [silent.address])
            let worker = try RunningWorker(upstreams: [good]) {
                $0.zones = [corp]
                $0.zones[0].options.queriesPerUpstreamMax = 3
                $0.tryTimeoutsMilliseconds = [800]
            }
            defer { worker.stop() }
            let client = try worker.client()
            for number in 0..<5 { client.send(TestMessage.query("n\(number).corp.example.org", id: UInt16(number))) }
            let early = (0..<2).compactMap { _ in TestReply(client.receive()) }
            #expect(early.map(\.id) == [3, 4] && early.map(\.extendedError) == [23, 23])
            #expect(client.ask(TestMessage.query("www.example.org"))?.addresses == [4])
            #expect(worker.counters[.failedUpstreamsFull] == 2)
            #expect(eventually { silent.requests.count == 3 })
            let late = (0..<3).compactMap { _ in TestReply(client.receive()) }
            #expect(Set(late.map(\.id)) == [0, 1, 2])
            client.send(TestMessage.query("n3.corp.example.org"))
            #expect(eventually { silent.requests.contains { $0.name == "n3.corp.example.org" } }, "that it failed was not kept")
        }
    }
}
