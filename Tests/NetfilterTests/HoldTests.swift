import Glibc
import NetfilterQueue
import NetfilterTables
import NetworkTypes
import Testing

extension KernelSuites {
    /// Packets that wait in the queue for a later verdict.
    @Suite(.serialized)
    struct HoldTests {
        private static func run(
            _ options: QueueOptions, _ body: @escaping @Sendable (Fixture, NamespaceTask<QueueCounters>) throws -> Void
        ) throws -> QueueCounters {
            let fixture = try Fixture(serveQueues: false) { $0.queues = 100...100 }
            defer { fixture.stop() }
            let (script, mark) = (fixture.script, fixture.configuration.mark)
            let task = NamespaceTask<QueueCounters>(fixture.network.node) {
                var socket = try QueueSocket(queue: 100, options: options)
                var handler = ScriptedHandler(script: script, mark: mark)
                while !script.state.withLock({ $0.isStopped }) { _ = try socket.serve(&handler, timeoutMilliseconds: 20) }
                return socket.counters
            }
            #expect(try inNamespace(fixture.network.node) { waitUntil { QueueStatistics.all().count == 1 } })
            try body(fixture, task)
            script.state.withLock { $0.isStopped = true }
            return try task.join()
        }

        private static func send(_ fixture: Fixture, ports: ClosedRange<UInt16>) throws -> [Client] {
            try inNamespace(fixture.network.podA) {
                ports.map { port in
                    let client = Client.udp(Endpoint(TestNetwork.serverAddress, 80), source: Endpoint(TestNetwork.addressA, port))
                    _ = client.send([1])
                    return client
                }
            }
        }

        @Test func `held packets leave when they are released, in any order, others are not decided with them`() throws {
            var options = QueueOptions()
            options.heldMax = 16
            options.holdMilliseconds = 60_000
            let counters = try Self.run(options) { fixture, _ in
                fixture.script.answer(.hold)
                let clients = try Self.send(fixture, ports: 4_001...4_005)
                #expect(waitUntil { fixture.script.state.withLock { $0.held.count == 5 } })
                // A later packet is decided while earlier ones wait.
                fixture.script.answer(.allow(1))
                let later = try Self.send(fixture, ports: 4_010...4_010)
                #expect(later[0].receives())
                #expect(clients.allSatisfy { !$0.receives(milliseconds: 10) })
                for place in [3, 0, 4] {
                    fixture.script.state.withLock { state in state.releases.append(state.held[place]) }
                    #expect(clients[place].receives())
                }
                #expect([1, 2].allSatisfy { !clients[$0].receives(milliseconds: 10) })
                fixture.script.state.withLock { state in state.releases += [state.held[0], 99_999, state.held[2], state.held[1]] }
                #expect([1, 2].allSatisfy { clients[$0].receives() })
            }
            #expect(counters.held == 5 && counters.heldTooLong == 0 && counters.verdictErrors == 0)
        }

        @Test func `a packet that nobody releases in time is dropped and counted, and its release comes too late`() throws {
            var options = QueueOptions()
            options.heldMax = 16
            options.holdMilliseconds = 50
            let counters = try Self.run(options) { fixture, _ in
                fixture.script.answer(.hold)
                let clients = try Self.send(fixture, ports: 4_001...4_003)
                let isEmpty = try inNamespace(fixture.network.node) {
                    waitUntil { fixture.script.state.withLock { $0.held.count == 3 } && QueueStatistics.all().first?.waiting == 0 }
                }
                #expect(isEmpty)
                fixture.script.state.withLock { state in state.releases = state.held }
                #expect(clients.allSatisfy { !$0.receives(milliseconds: 50) })
            }
            #expect(counters.held == 3 && counters.heldTooLong == 3 && counters.verdictErrors == 0)
        }

        @Test func `more packets than may be held are dropped and counted`() throws {
            var options = QueueOptions()
            options.heldMax = 100
            options.holdMilliseconds = 60_000
            let counters = try Self.run(options) { fixture, _ in
                fixture.script.answer(.hold)
                let clients = try Self.send(fixture, ports: 4_001...4_130)
                #expect(waitUntil { fixture.script.state.withLock { $0.held.count == 130 } })
                fixture.script.state.withLock { state in state.releases = state.held }
                // More than one message of verdicts.
                #expect(clients[..<100].allSatisfy { $0.receives() })
                #expect(clients[100...].allSatisfy { !$0.receives(milliseconds: 5) })
            }
            #expect(counters.held == 100 && counters.holdOverflows == 30 && counters.heldTooLong == 0)
        }
    }
}
