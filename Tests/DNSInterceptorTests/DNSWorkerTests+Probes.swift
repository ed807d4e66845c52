import DNSInterceptor
import DomainNames
import Synchronization
import Testing

extension DNSWorkerTests {
    /// Upstreams that go down and come up again.
    @Suite struct Probes {
        /// An upstream that can be switched off and on.
        private final class Switched: Sendable {
            let isOn = Atomic<Bool>(false)
            /// What it does while it is on.
            func actions(_ request: FakeUpstream.Request, _ reply: @autoclosure () -> [FakeUpstream.Action]) -> [FakeUpstream.Action] {
                isOn.load(ordering: .relaxed) ? reply() : []
            }
        }

        private static func isProbe(_ request: FakeUpstream.Request, of zone: String = "") -> Bool {
            let end = TestMessage.questionEnd(request.bytes)
            return request.name == zone && Array(request.bytes[(end - 4)..<end]) == [0, 2, 0, 1]
        }

        @Test func `an upstream that is down is probed, and used again when it answers, without a client's help`() throws {
            let state = Switched()
            let first = try FakeUpstream { request in
                state.actions(request, [.reply(TestMessage.reply(to: request.bytes, Self.isProbe(request) ? [] : [.a(1)]))])
            }
            defer { first.stop() }
            let second = try FakeUpstream.plain(2)
            defer { second.stop() }
            let worker = try RunningWorker(upstreams: [first, second]) {
                $0.tryTimeoutsMilliseconds = [200, 700]
                $0.probeMilliseconds = 20
                $0.probeTimeoutMilliseconds = 50
            }
            defer { worker.stop() }
            let client = try worker.client()
            for number in 0..<3 { #expect(client.ask(TestMessage.query("n\(number).example.org"))?.addresses == [2]) }
            #expect(worker.counters[.upstreamDown] == 1)
            #expect(eventually { first.requests.count { Self.isProbe($0) } >= 3 })
            #expect(eventually { worker.counters[.upstreamsDown] == 1 && worker.counters[.upstreamProbesFailed] >= 2 })
            let probe = try #require(first.requests.first { Self.isProbe($0) })
            #expect(probe.bytes[2] & 0x01 == 1, "recursion is wanted")
            #expect(client.ask(TestMessage.query("n3.example.org"))?.addresses == [2])
            #expect(first.requests.count { !Self.isProbe($0) } == 3, "no client tries it")
            state.isOn.store(true, ordering: .relaxed)
            #expect(eventually { worker.counters[.upstreamProbesAnswered] == 1 })
            #expect(client.ask(TestMessage.query("n4.example.org"))?.addresses != nil)
            #expect(eventually { first.requests.contains { $0.name == "n4.example.org" } })
            #expect(eventually { worker.counters[.upstreamsDown] == 0 })
            let probes = first.requests.count { Self.isProbe($0) }
            #expect(client.ask(TestMessage.query("n5.example.org"))?.addresses == [1])
            #expect(first.requests.count { Self.isProbe($0) } == probes, "what is up is not probed")
            #expect(worker.log.lessons.count == 6, "probes teach nothing")
        }

        @Test func `a zone's own name is what its upstreams are probed with, and any answer will do`() throws {
            let state = Switched()
            let first = try FakeUpstream { request in
                state.actions(
                    request,
                    [.reply(TestMessage.reply(to: request.bytes, [.a(1)], code: Self.isProbe(request, of: "corp.example.org") ? 5 : 0))])
            }
            defer { first.stop() }
            let second = try FakeUpstream.plain(2)
            defer { second.stop() }
            let worker = try RunningWorker(upstreams: []) {
                guard let name = try? DomainName(parsing: "corp.example.org") else { return }
                $0.zones = [ForwardingZone(name, upstreams: [first.address, second.address])]
                $0.zones[0].options.policy = .sequential
                $0.tryTimeoutsMilliseconds = [200, 700]
                $0.probeMilliseconds = 20
                $0.probeTimeoutMilliseconds = 50
            }
            defer { worker.stop() }
            let client = try worker.client()
            for number in 0..<3 { #expect(client.ask(TestMessage.query("n\(number).corp.example.org"))?.addresses == [2]) }
            #expect(eventually { first.requests.contains { Self.isProbe($0, of: "corp.example.org") } })
            state.isOn.store(true, ordering: .relaxed)
            #expect(eventually { worker.counters[.upstreamProbesAnswered] == 1 })
            #expect(client.ask(TestMessage.query("n4.corp.example.org"))?.addresses == [1])
        }

        @Test func `where TCP is forced probes go over TCP`() throws {
            let state = Switched()
            let first = try FakeUpstream { request in
                state.actions(request, [.reply(TestMessage.reply(to: request.bytes, [.a(1)]))])
            }
            defer { first.stop() }
            let second = try FakeUpstream.plain(2)
            defer { second.stop() }
            let worker = try RunningWorker(upstreams: [first, second]) {
                $0.root.options.forcesTCP = true
                $0.tryTimeoutsMilliseconds = [200, 700]
                $0.probeMilliseconds = 20
                $0.probeTimeoutMilliseconds = 50
            }
            defer { worker.stop() }
            let client = try worker.client()
            for number in 0..<3 { #expect(client.ask(TestMessage.query("n\(number).example.org"))?.addresses == [2]) }
            #expect(eventually { first.requests.contains { Self.isProbe($0) } })
            state.isOn.store(true, ordering: .relaxed)
            #expect(eventually { worker.counters[.upstreamProbesAnswered] == 1 })
            #expect(client.ask(TestMessage.query("n4.example.org"))?.addresses == [1])
            #expect(first.requests.allSatisfy { $0.isTCP })
        }

        enum Forgery: CaseIterable, Sendable { case identifier, question, query, junk, elsewhere }

        @Test(arguments: Forgery.allCases) func `a forged reply to a probe puts nothing up`(_ forgery: Forgery) throws {
            let first = try FakeUpstream { request in
                guard Self.isProbe(request) else { return [] }
                var forged = TestMessage.reply(to: request.bytes, [])
                switch forgery {
                case .identifier: forged[1] ^= 1
                case .question: forged[14] ^= 1
                case .query: forged[2] &= 0x7f
                case .junk: forged = [UInt8](repeating: 0xff, count: 5)
                case .elsewhere: return [.replyFromElsewhere(forged)]
                }
                return [.reply(forged)]
            }
            defer { first.stop() }
            let second = try FakeUpstream.plain(2)
            defer { second.stop() }
            let worker = try RunningWorker(upstreams: [first, second]) {
                $0.tryTimeoutsMilliseconds = [200, 700]
                $0.probeMilliseconds = 20
                $0.probeTimeoutMilliseconds = 50
            }
            defer { worker.stop() }
            let client = try worker.client()
            for number in 0..<3 { #expect(client.ask(TestMessage.query("n\(number).example.org"))?.addresses == [2]) }
            #expect(eventually { worker.counters[.upstreamProbesFailed] >= 3 })
            #expect(worker.counters[.upstreamProbesAnswered] == 0)
            #expect(client.ask(TestMessage.query("n4.example.org"))?.addresses == [2])
        }

        @Test func `when all are down clients' questions are tried all the same, and an answer puts the upstream up`() throws {
            let state = Switched()
            let only = try FakeUpstream { request in
                // It answers clients, and never a probe.
                Self.isProbe(request) ? [] : state.actions(request, [.reply(TestMessage.reply(to: request.bytes, [.a(1)]))])
            }
            defer { only.stop() }
            let worker = try RunningWorker(upstreams: [only]) { $0.tryTimeoutsMilliseconds = [30, 30, 30, 800] }
            defer { worker.stop() }
            let client = try worker.client()
            #expect(client.ask(TestMessage.query("n0.example.org"))?.extendedError == 22)
            #expect(eventually { worker.counters[.upstreamsDown] == 1 })
            state.isOn.store(true, ordering: .relaxed)
            #expect(client.ask(TestMessage.query("n1.example.org"))?.addresses == [1])
            #expect(eventually { worker.counters[.upstreamsDown] == 0 })
        }

        @Test func `with the shipped times an upstream is back within two seconds`() throws {
            let state = Switched()
            let first = try FakeUpstream { request in
                state.actions(request, [.reply(TestMessage.reply(to: request.bytes, [.a(1)]))])
            }
            defer { first.stop() }
            let second = try FakeUpstream.plain(2)
            defer { second.stop() }
            let worker = try RunningWorker(upstreams: [first, second]) { $0.tryTimeoutsMilliseconds = [200, 700] }
            defer { worker.stop() }
            let client = try worker.client()
            for number in 0..<3 { #expect(client.ask(TestMessage.query("n\(number).example.org"))?.addresses == [2]) }
            // The worst moment: a probe has just been lost, and the next goes out when its time is over.
            #expect(eventually { first.requests.contains { Self.isProbe($0) } })
            state.isOn.store(true, ordering: .relaxed)
            #expect(eventually { worker.counters[.upstreamProbesAnswered] == 1 }, "waits two seconds")
            #expect(client.ask(TestMessage.query("n4.example.org"))?.addresses == [1])
        }
    }
}
