import Foundation
import Glibc
import NetfilterQueue
import NetfilterTables
import NetworkTypes
import Testing

extension KernelSuites {
    /// Policy changes between the moment of a decision and the moment in which its verdict reaches the kernel.
    @Suite(.serialized)
    struct RaceTests {
        enum Shape: String, CaseIterable, Sendable {
            /// Each packet is a flow of its own to the kernel, because none is ever admitted.
            case datagrams
            /// The verdicts ask for a kernel lease too.
            case leases
            /// The verdicts ask that the flow give its name later.
            case observed
            /// Both.
            case observedLeases
            /// Packets of flows that were admitted before.
            case liveFlows
            case connections
        }

        struct Case: Sendable, CustomTestStringConvertible {
            let shape: Shape
            let server: IPAddress
            var testDescription: String { "\(shape.rawValue) to \(server)" }
        }

        static let cases = Shape.allCases.flatMap { shape in
            [TestNetwork.serverAddress, TestNetwork.server6Address].map { Case(shape: shape, server: $0) }
        }
        private static let port: UInt16 = 4_242
        /// Races of each case; `EXEAT_RACES` gives another number.
        private static let races = ProcessInfo.processInfo.environment["EXEAT_RACES"].flatMap { Int($0) } ?? 10_000

        @Test(arguments: cases)
        func `a policy that changes while a verdict is on its way lets nothing through`(_ what: Case) throws {
            let fixture = try Fixture(serveQueues: false)
            defer { fixture.stop() }
            let isV4 = what.server.family == .v4
            let policed = isV4 ? TestNetwork.addressA : TestNetwork.address6A
            let race = Race(fixture.table, [policed], fixture.configuration.mark)
            let network = fixture.network
            let tasks = Fixture.queues.map { queue in
                NamespaceTask<UInt64>(network.node) {
                    var socket = try QueueSocket(queue: queue)
                    var handler = RacingHandler(race: race)
                    while !race.state.withLock({ $0.isStopped }) { _ = try socket.serve(&handler, timeoutMilliseconds: 20) }
                    return socket.counters.verdictErrors
                }
            }
            defer { race.state.withLock { $0.isStopped = true } }
            let isServed = try inNamespace(network.node) { waitUntil { QueueStatistics.all().count == Fixture.queues.count } }
            try #require(isServed)
            try inNamespace(network.server) {
                try shell(
                    "nft 'add table inet far; add counter inet far seen; add chain inet far in { type filter hook prerouting priority -400; }; "
                        + "add rule inet far in \(isV4 ? "ip" : "ip6") saddr \(policed) th dport \(Self.port) counter name seen'")
            }
            func arrived() throws -> Int {
                let text = try inNamespace(network.server) { try shell("nft list counter inet far seen").text }
                let match = try #require(text.firstMatch(of: /packets ([0-9]+)/))
                return try #require(Int(match.1))
            }
            let target = Endpoint(what.server, Self.port)
            let senders = try inNamespace(network.podA) { (0..<16).map { _ in Datagrams(target.family) } }
            for sender in senders { #expect(sender.send(to: target)) }
            let opened = senders.count
            #expect(waitUntil { (try? arrived()) == opened }, "without a race everything arrives")

            race.state.withLock { state in
                (state.raced, state.refused, state.again) = (0, 0, 0)
                state.isRacing = true
                let mark = fixture.configuration.mark
                state.asked =
                    switch what.shape {
                    case .leases: mark.foreignBits
                    case .observed: mark.observedBits
                    case .observedLeases: mark.observedLeaseBits
                    case .datagrams, .liveFlows, .connections: 0
                    }
            }
            // What was admitted bears the first generation.
            race.advance(from: 1)
            let wanted = what.shape == .connections ? Self.races / 10 : Self.races
            let watch = milliseconds()
            try inNamespace(network.podA) { () throws -> Void in
                // Ports that no admitted flow has.
                let fresh = (0..<16).map { _ in Datagrams(target.family) }
                var sent = 0
                while true {
                    let (raced, refused) = race.state.withLock { ($0.raced, $0.refused) }
                    if raced >= wanted { return }
                    guard milliseconds() - watch < 120_000 else { throw HarnessError("\(raced) races in two minutes") }
                    switch what.shape {
                    case .connections:
                        _ = Client.connect(target, timeout: 0.5)
                    case .datagrams, .leases, .observed, .observedLeases, .liveFlows:
                        // So many at a time, so that there are batches; a few more are refused without a race before them.
                        if sent - refused >= 16 {
                            usleep(20)
                            continue
                        }
                        _ = (what.shape == .liveFlows ? senders : fresh)[sent % 16].send(to: target)
                        sent += 1
                    }
                }
            }
            let took = milliseconds() - watch
            // What is still under way.
            usleep(100_000)
            let (raced, refused, again, failure) = race.state.withLock { ($0.raced, $0.refused, $0.again, $0.failure) }
            print("race, \(what.testDescription): \(raced) verdicts overtaken, \(refused) refused, \(again) asked again in \(Int(took)) ms")
            #expect(failure == nil)
            #expect(raced >= wanted)
            #expect(try arrived() == opened, "something passed on a policy that was gone")
            // Each overtaken verdict is asked for again, of a first packet as of one never let in.
            #expect(what.shape == .liveFlows ? again >= raced : again == 0 && refused >= raced / 2)
            #expect(try fixture.table.socket.leaseCount() == 0)
            #expect(try fixture.counter(.leaseRefused) == 0)
            #expect(try fixture.counter(.leased) == 0)

            // And when policy stays, it is not that nothing passes at all.
            let generation = race.state.withLock { state in
                state.isRacing = false
                return state.generation
            }
            if generation % 2 == 0 {
                race.state.withLock { $0.isRacing = true }
                race.advance(from: generation)
                race.state.withLock { $0.isRacing = false }
            }
            let last = try inNamespace(network.podA) { Datagrams(target.family) }
            #expect(last.send(to: target))
            #expect(waitUntil { (try? arrived()) == opened + 1 })
            race.state.withLock { $0.isStopped = true }
            for task in tasks { #expect(try task.join() == 0) }
        }
    }

    /// A UDP socket that no ICMP error reaches, because it is not connected.
    private final class Datagrams: Sendable {
        private let descriptor: Int32

        init(_ family: Int32) {
            descriptor = socket(family, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        }

        deinit { close(descriptor) }

        func send(to target: Endpoint) -> Bool {
            let payload: [UInt8] = [1, 2, 3, 4]
            return unsafe target.withAddress { unsafe sendto(descriptor, payload, payload.count, 0, $0, $1) } == payload.count
        }
    }
}
