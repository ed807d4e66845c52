import DNSInterceptor
import Enforcement
import NetworkTypes
import Synchronization
import Testing

extension DNSWorkerTests {
    /// Upstreams that change while the worker runs.
    @Suite struct LiveUpstreams {
        private static func worker(
            _ live: Published<[UpstreamAddress]>, _ change: (inout DNSWorkerConfiguration) -> Void = { _ in }
        ) throws -> RunningWorker {
            try RunningWorker(upstreams: []) {
                $0.root.live = live
                $0.failureSeconds = 0
                change(&$0)
            }
        }

        /// Asks for new names until the answer is the wanted one, two seconds at most.
        private static func isAnswered(_ wanted: UInt8, by worker: RunningWorker, _ prefix: String) throws -> Bool {
            let client = try worker.client()
            var number = 0
            return eventually {
                number += 1
                return client.ask(TestMessage.query("\(prefix)\(number).example.org"))?.addresses == [wanted]
            }
        }

        @Test func `those that come are asked, those that have gone are not, and those that come back are again`() throws {
            let first = try FakeUpstream.plain(1)
            defer { first.stop() }
            let second = try FakeUpstream.plain(2)
            defer { second.stop() }
            let live = Published([first.address])
            let worker = try Self.worker(live)
            defer { worker.stop() }
            #expect(try worker.client().ask(TestMessage.query("www.example.org"))?.addresses == [1])
            live.publish([second.address])
            #expect(try Self.isAnswered(2, by: worker, "a"))
            let before = first.requests.count
            for number in 0..<20 { #expect(try worker.client().ask(TestMessage.query("b\(number).example.org"))?.addresses == [2]) }
            #expect(first.requests.count == before)
            live.publish([first.address, second.address])
            #expect(try Self.isAnswered(1, by: worker, "c"), "the order is the list's")
            live.publish([second.address, first.address])
            #expect(try Self.isAnswered(2, by: worker, "d"), "also where nothing else has changed")
        }

        @Test func `a question on its way when its upstream goes still gets the answer`() throws {
            let slow = try FakeUpstream { [.replyLater(TestMessage.reply(to: $0.bytes, [.a(1)]), milliseconds: 2_500)] }
            defer { slow.stop() }
            let next = try FakeUpstream.plain(2)
            defer { next.stop() }
            let live = Published([slow.address])
            let worker = try Self.worker(live) {
                $0.tryTimeoutsMilliseconds = [10_000]
                $0.totalTimeoutMilliseconds = 10_000
                $0.root.options.hedges = false
            }
            defer { worker.stop() }
            let client = try worker.client()
            client.send(TestMessage.query("slow.example.org"))
            #expect(eventually { slow.requests.count == 1 })
            live.publish([next.address])
            #expect(try Self.isAnswered(2, by: worker, "a"))
            #expect(TestReply(client.receive())?.addresses == [1])
        }

        @Test func `they stand behind the fixed ones, and none at all is a failure with a reason`() throws {
            let fixed = try FakeUpstream.plain(1)
            defer { fixed.stop() }
            let other = try FakeUpstream.plain(2)
            defer { other.stop() }
            let both = try RunningWorker(upstreams: [fixed]) { $0.root.live = Published([other.address]) }
            defer { both.stop() }
            #expect(try both.client().ask(TestMessage.query("www.example.org"))?.addresses == [1])
            let live = Published<[UpstreamAddress]>([])
            let worker = try Self.worker(live)
            defer { worker.stop() }
            let reply = try #require(try worker.client().ask(TestMessage.query("www.example.org")))
            #expect(reply.code == 2 && reply.extendedError == 22)
            live.publish([other.address])
            #expect(try Self.isAnswered(2, by: worker, "a"))
        }

        @Test func `one that is down when it goes is probed no more, and is up when it comes back`() throws {
            let isOn = Atomic<Bool>(false)
            let sick = try FakeUpstream { request in
                isOn.load(ordering: .relaxed) ? [.reply(TestMessage.reply(to: request.bytes, [.a(1)]))] : []
            }
            defer { sick.stop() }
            let good = try FakeUpstream.plain(2)
            defer { good.stop() }
            let live = Published([sick.address, good.address])
            let worker = try Self.worker(live) {
                $0.tryTimeoutsMilliseconds = [100, 900]
                $0.probeMilliseconds = 20
                $0.probeTimeoutMilliseconds = 20
            }
            defer { worker.stop() }
            for number in 0..<3 { #expect(try worker.client().ask(TestMessage.query("n\(number).example.org"))?.addresses == [2]) }
            #expect(eventually { worker.counters[.upstreamsDown] == 1 })
            live.publish([good.address])
            #expect(eventually { worker.counters[.upstreamsDown] == 0 })
            let failed = worker.counters[.upstreamProbesFailed]
            for number in 0..<20 { #expect(try worker.client().ask(TestMessage.query("m\(number).example.org"))?.addresses == [2]) }
            #expect(worker.counters[.upstreamProbesFailed] <= failed + 1)
            isOn.store(true, ordering: .relaxed)
            live.publish([sick.address, good.address])
            #expect(try Self.isAnswered(1, by: worker, "c"))
        }

        @Test func `more changes than there are places lose nothing`() throws {
            let servers = try (0..<6).map { try FakeUpstream.plain(UInt8($0)) }
            defer { for server in servers { server.stop() } }
            let live = Published([servers[0].address])
            let worker = try Self.worker(live) { $0.root.options.forcesTCP = true }
            defer { worker.stop() }
            for round in 0..<5 {
                let server = servers[round + 1]
                // Filled up with servers where nobody is.
                let nobody = (0..<7).map { UpstreamAddress(IPAddress(v4: 0x7f00_0001), port: UInt16(40_000 + 10 * round + $0)) }
                live.publish([server.address] + nobody)
                #expect(try Self.isAnswered(UInt8(round + 1), by: worker, "r\(round)-"))
            }
        }

        @Test func `each upstream has sums of its own, also when it fails, and one that has gone is reported no more`() throws {
            let silent = try FakeUpstream { _ in [] }
            defer { silent.stop() }
            let good = try FakeUpstream { [.replyLater(TestMessage.reply(to: $0.bytes, [.a(2)]), milliseconds: 20)] }
            defer { good.stop() }
            let live = Published([silent.address, good.address])
            let worker = try Self.worker(live) {
                $0.tryTimeoutsMilliseconds = [400, 4_000]
                $0.totalTimeoutMilliseconds = 5_000
                $0.failuresUntilDown = 2
                $0.probeMilliseconds = 60_000
            }
            defer { worker.stop() }
            for number in 0..<5 { #expect(try worker.client().ask(TestMessage.query("n\(number).example.org"))?.addresses == [2]) }
            #expect(eventually { worker.counters.upstreams.map(\.tally.queries) == [2, 5] })
            let reports = worker.counters.upstreams
            #expect(reports.map(\.upstream) == [silent.address, good.address] && reports.allSatisfy { $0.zone == .root })
            #expect(reports.map(\.tally.failures) == [2, 0] && reports.map(\.tally.answers) == [0, 5])
            #expect(reports[1].tally.answerNanoseconds >= 5 * 20_000_000)
            #expect(reports.map(\.isUp) == [false, true])
            live.publish([good.address])
            #expect(eventually { worker.counters.upstreams.map(\.upstream) == [good.address] })
            #expect(worker.counters.upstreams.map(\.tally.queries) == [5], "what stays goes on counting")
        }
    }
}
