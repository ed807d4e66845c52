import DNSInterceptor
import DomainNames
import Enforcement
import NetworkTypes
import Testing

extension DNSWorkerTests {
    @Suite struct Redials {
        private static let endpoint = EndpointID(rawValue: 1)

        private static func redial(_ record: Int32, _ last: UInt32, from source: UInt32 = 0x7f00_0001) -> Redial {
            Redial(
                endpoint: endpoint, source: IPAddress(v4: source), address: IPAddress(v4: 0xc000_0200 + last), record: record)
        }

        /// As a verdict thread asks.
        private static func ask(_ redials: [Redial], _ link: HoldLink, _ worker: RunningWorker) {
            for redial in redials {
                link.flights.begin(redial.endpoint)
                #expect(link.redials[0].append(redial))
            }
            worker.mailbox.wake()
        }

        @Test func `a name is resolved again for its client, learned, and answered to nobody`() throws {
            let upstream = try FakeUpstream.plain(1)
            defer { upstream.stop() }
            let link = HoldLink(endpointsMax: 4, threads: 1)
            let worker = try RunningWorker(upstreams: [upstream], link: link)
            defer { worker.stop() }
            Self.ask([Self.redial(5, 1)], link, worker)
            #expect(eventually { link.count(of: .confirmed) == 1 && link.flights.state(of: Self.endpoint).inFlight == 0 })
            #expect(worker.log.lessons.map(\.name) == [try DomainName(parsing: "r5.example.org")])
            #expect(worker.log.lessons.map(\.client) == [TestGate.endpoint])
            #expect(upstream.requests.map(\.name) == ["r5.example.org"])
            // Out of the cache now; another address is not confirmed.
            Self.ask([Self.redial(5, 1), Self.redial(5, 2)], link, worker)
            #expect(eventually { link.count(of: .confirmed) == 2 && link.count(of: .changed) == 1 })
            #expect(upstream.requests.count == 1)
            #expect(worker.counters[.answersUDP] == 0)
            // What is not remembered, or not the endpoint's.
            Self.ask([Self.redial(-1, 1), Self.redial(5, 1, from: 0x7f00_0002)], link, worker)
            #expect(eventually { link.count(of: .forgotten) == 2 })
            #expect(eventually { link.flights.state(of: Self.endpoint).inFlight == 0 })
        }

        @Test func `a refused name or answer confirms nothing`() throws {
            let upstream = try FakeUpstream.plain(1)
            defer { upstream.stop() }
            let link = HoldLink(endpointsMax: 4, threads: 1)
            let worker = try RunningWorker(upstreams: [upstream], link: link)
            defer { worker.stop() }
            worker.log.release = .refuse(.rebinding)
            Self.ask([Self.redial(1, 1)], link, worker)
            #expect(eventually { link.count(of: .changed) == 1 })
            worker.log.release = .release(timeToLiveCapSeconds: 60)
            worker.log.refusedNames = [try DomainName(parsing: "r2.example.org"): .deniedName]
            Self.ask([Self.redial(2, 1)], link, worker)
            #expect(eventually { link.count(of: .changed) == 2 })
            #expect(link.count(of: .confirmed) == 0)
            #expect(eventually { link.flights.state(of: Self.endpoint).inFlight == 0 })
        }

        @Test func `redials are bounded for each client`() throws {
            let upstream = try FakeUpstream { _ in [] }
            defer { upstream.stop() }
            let link = HoldLink(endpointsMax: 4, threads: 1)
            let worker = try RunningWorker(upstreams: [upstream], link: link)
            defer { worker.stop() }
            // The same name twice is one too many; of twenty names sixteen are asked for.
            Self.ask([Self.redial(0, 1), Self.redial(0, 2)] + (1..<20).map { Self.redial($0, 1) }, link, worker)
            #expect(eventually { link.count(of: .limited) == 5 })
            #expect(Set(upstream.requests.map(\.name)).count <= 16)
            // A silent upstream ends them all the same.
            #expect(eventually { link.flights.state(of: Self.endpoint).inFlight == 0 })
            #expect(link.count(of: .changed) == 16)
        }

        @Test func `a client's queries are counted while they are in flight, whatever becomes of them`() throws {
            let upstream = try FakeUpstream { request in
                if request.name.hasPrefix("silent") { return [] }
                return [.replyLater(TestMessage.reply(to: request.bytes, [.a(1, ttl: 60)]), milliseconds: 600)]
            }
            defer { upstream.stop() }
            let link = HoldLink(endpointsMax: 4, threads: 1)
            let worker = try RunningWorker(upstreams: [upstream], link: link) {
                $0.tryTimeoutsMilliseconds = [1_500]
                $0.totalTimeoutMilliseconds = 1_500
            }
            defer { worker.stop() }
            let client = try worker.client()
            client.send(TestMessage.query("www.example.org"))
            client.send(TestMessage.query("silent.example.org"))
            #expect(eventually { link.flights.state(of: Self.endpoint).inFlight == 2 })
            #expect(eventually { link.flights.state(of: Self.endpoint).inFlight == 1 })
            let changes = link.flights.state(of: Self.endpoint).changes
            #expect(changes >= 2, "published, and ended")
            #expect(eventually { link.flights.state(of: Self.endpoint).inFlight == 0 })
            #expect(link.flights.state(of: Self.endpoint).changes > changes)
            // Out of the cache: never in flight.
            #expect(client.ask(TestMessage.query("www.example.org")) != nil)
            #expect(link.flights.state(of: Self.endpoint).inFlight == 0)
        }
    }
}
