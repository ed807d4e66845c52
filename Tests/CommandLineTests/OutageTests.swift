import DemoNetwork
import Foundation
import NetworkTypes
import Synchronization
import Testing

extension CommandLineTests {
    /// An upstream that dies, comes back halfway and then wholly, under the real daemon (RFC 8767).
    @Suite(.serialized) struct OutageTests {
        private enum Mood: Int {
            case well, dead, flaky
        }

        private final class Upstream: Sendable {
            let mood = Atomic<Int>(0)
            let number = Atomic<Int>(0)
            let last = Atomic<Int>(10)

            @Sendable func answer(_ question: UpstreamQuestion) -> [LyingUpstream.Reply] {
                switch Mood(rawValue: mood.load(ordering: .relaxed)) {
                case .dead: return []
                case .flaky where number.add(1, ordering: .relaxed).newValue % 2 == 0:
                    return [.init(bytes: question.reply(flags: 0x8182).bytes)]
                default:
                    let address: [UInt8] = [192, 0, 2, UInt8(last.load(ordering: .relaxed))]
                    return [.init(bytes: question.reply().a(address, ttl: 2).bytes)]
                }
            }

            func turn(_ mood: Mood) { self.mood.store(mood.rawValue, ordering: .relaxed) }
        }

        /// Questions for names that nobody has asked for, from a pod, without waiting for answers.
        private final class Flood: Sendable {
            private let isStopping = Atomic<Bool>(false)
            private let thread = Mutex<NamespaceThread<Int>?>(nil)

            init(of pod: DemoNetwork.Pod) throws {
                let started = try pod.namespace.startThread { [self] in
                    var sent = 0
                    while !isStopping.load(ordering: .relaxed), sent < 1_000_000 {
                        let question = WireMessage.name("u\(sent).unknown.lies.example.org") + [0, 1, 0, 1]
                        let query = WireMessage(id: UInt16(truncatingIfNeeded: sent), flags: 0x0100, question: question).bytes
                        _ = LabClient.udp(to: DaemonLab.resolver, port: 53, payload: query, timeoutMilliseconds: 1)
                        sent += 1
                    }
                    return sent
                }
                thread.withLock { $0 = started }
            }

            /// How many it has sent.
            func stop() throws -> Int {
                isStopping.store(true, ordering: .relaxed)
                return try thread.withLock { try $0?.join() } ?? 0
            }
        }

        private static let names = (0..<40).map { WireMessage.name("n\($0).known.lies.example.org") }

        private static func address(in reply: [UInt8]?) -> [UInt8]? {
            guard let reply, reply[3] & 0x0f == 0, reply[6...7] == [0, 1] else { return nil }
            return Array(reply.suffix(4))
        }

        /// Looks names up and connects to what comes, for so long; how often, what failed, and the longest lookup.
        private func use(_ lab: DaemonLab, seconds: Double, address: [UInt8]) throws -> (uses: Int, failures: [String], longest: Double) {
            let end = Date(timeIntervalSinceNow: seconds)
            var (uses, failures, longest) = (0, [String](), 0.0)
            while Date() < end {
                let name = Self.names[uses % Self.names.count]
                let start = Date()
                let reply = try lab.ask([name])[0]
                longest = max(longest, Date().timeIntervalSince(start))
                uses += 1
                if Self.address(in: reply) != address { failures.append("lookup \(uses): \(reply.map { "\($0.suffix(8))" } ?? "none")") }
                let outcome = try lab.connect(to: address)
                if outcome != .answered { failures.append("connection \(uses): \(outcome)") }
                usleep(5_000)
            }
            return (uses, failures, longest)
        }

        @Test func `lookups and connections go on while the upstream is dead, then half well, and follow it when it is back`() throws {
            let seconds = ProcessInfo.processInfo.environment["EXEAT_OUTAGE_SECONDS"].flatMap { Double($0) } ?? 8
            let upstream = Upstream()
            let lab = try DaemonLab(cacheBytesMax: 8 << 20, answer: upstream.answer)
            defer { lab.stop() }
            for name in Self.names { #expect(Self.address(in: try lab.ask([name])[0]) == [192, 0, 2, 10]) }

            upstream.turn(.dead)
            // Names that nobody has heard of, as fast as this goes: they wait for the dead upstream, as many as may.
            let flood = try Flood(of: try #require(lab.network.pod("pod-b")))
            let during = try use(lab, seconds: seconds, address: [192, 0, 2, 10])
            let metrics = try lab.metrics()
            let sent = try flood.stop()
            print(
                "outage: dead \(seconds) s: \(during.uses) lookups and connections beside \(sent) of unknown names, longest lookup "
                    + "\(during.longest) s; waiting \(metrics["exeat_dns_queries_waiting"] ?? -1), outstanding "
                    + "\(metrics["exeat_dns_upstream_outstanding"] ?? -1)")
            #expect(during.failures.isEmpty, "\(during.failures.count): \(during.failures.prefix(5))")
            #expect(metrics["exeat_dns_queries_waiting"] ?? .infinity <= 1_024 + 16, "waitersPerClientMax, and the other client")
            #expect(metrics["exeat_dns_upstream_outstanding"] ?? .infinity <= 4_096)
            #expect(sent > 100)

            upstream.turn(.flaky)
            let half = try use(lab, seconds: seconds / 2, address: [192, 0, 2, 10])
            #expect(half.failures.isEmpty, "\(half.failures.count): \(half.failures.prefix(5))")

            // The other half: dead once more, so that all have expired and the upstream is down, then well with another address.
            upstream.turn(.well)
            for name in Self.names { _ = try lab.ask([name]) }
            let asked = Date()
            for name in Self.names { _ = try lab.ask([name]) }
            let asking = Date().timeIntervalSince(asked)
            upstream.turn(.dead)
            _ = try use(lab, seconds: 4, address: [192, 0, 2, 10])
            upstream.last.store(20, ordering: .relaxed)
            upstream.turn(.well)
            let start = Date()
            var pending = Self.names[...]
            while !pending.isEmpty, Date().timeIntervalSince(start) < 10 {
                let name = pending.removeFirst()
                if Self.address(in: try lab.ask([name])[0]) != [192, 0, 2, 20] { pending.append(name) }
            }
            let recovery = Date().timeIntervalSince(start)
            print("outage: half well: \(half.uses) lookups and connections, longest lookup \(half.longest) s; recovery \(recovery) s")
            #expect(pending.isEmpty && recovery < 2 + asking)
            #expect(try lab.connect(to: [192, 0, 2, 20]) == .answered)
            // The worker tells once a second.
            for _ in 0..<30 where try lab.metrics()["exeat_dns_upstreams_down"] != 0 { usleep(100_000) }
            #expect(try lab.metrics()["exeat_dns_upstreams_down"] == 0)
        }
    }
}
