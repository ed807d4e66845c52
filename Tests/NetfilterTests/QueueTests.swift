import CAllocationCounter
import Glibc
import NetfilterQueue
import NetfilterTables
import Netlink
import NetworkTypes
import Testing

extension KernelSuites {
    /// The socket of a queue: who may hold it, and what happens when its owner dies.
    @Suite(.serialized)
    struct QueueTests {
        @Test func `a queue that another socket holds is an error that names the process`() throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            try inNamespace(fixture.network.node) {
                let holder = try #require(QueueStatistics.all().first { $0.queue == 100 })
                let here = try #require(NetlinkPeer.holders(ofPort: holder.portID).first)
                #expect(here.processID == getpid())
                let expected = QueueError.heldByOther(queue: 100, portID: holder.portID, holders: [here])
                #expect(throws: expected) { _ = try QueueSocket(queue: 100) }
            }
        }

        @Test(arguments: [0, 3])
        func `packets that a dead owner has left are decided by the next one`(undecided: Int) throws {
            let fixture = try Fixture(serveQueues: false) { $0.queues = 100...100 }
            defer { fixture.stop() }
            let network = fixture.network
            let script = fixture.script
            let mark = fixture.configuration.mark
            // The first owner binds, a holder keeps a duplicate, packets arrive; some are read and never answered.
            let copy = try inNamespace(network.node) { () -> Int32 in
                let first = try QueueSocket(queue: 100)
                let copy = dup(first.descriptor)
                var clients: [Client] = []
                for port in 1...5 {
                    clients.append(
                        try inNamespace(network.podA) { () -> Client in
                            let client = Client.udp(
                                Endpoint(TestNetwork.serverAddress, 80), source: Endpoint(TestNetwork.addressA, UInt16(4000 + port)))
                            _ = client.send([UInt8(port)])
                            return client
                        })
                }
                #expect(waitUntil { QueueStatistics.all().first?.waiting == 5 })
                var buffer = [UInt8](repeating: 0, count: 4096)
                for _ in 0..<undecided { _ = unsafe recv(first.descriptor, &buffer, buffer.count, 0) }
                return copy
            }
            script.answer(.allow(1))
            try inNamespace(network.node) {
                var second = try QueueSocket(adopting: copy, queue: 100)
                var handler = ScriptedHandler(script: script, mark: mark)
                let end = milliseconds() + 500
                while milliseconds() < end { _ = try second.serve(&handler, timeoutMilliseconds: 20) }
                #expect(QueueStatistics.all().first?.waiting == 0)
            }
            #expect(Set(script.take().map(\.sourcePort)) == [4001, 4002, 4003, 4004, 4005])
            let conntrack = try fixture.node("conntrack -L -p udp --orig-src 192.0.2.2 2>/dev/null").text
            #expect(conntrack.split(separator: "\n").count == 5, "\(conntrack)")
        }

        @Test func `a queue in which nothing waits is taken over as well`() throws {
            let fixture = try Fixture(serveQueues: false) { $0.queues = 100...100 }
            defer { fixture.stop() }
            let mark = fixture.configuration.mark
            try inNamespace(fixture.network.node) {
                let first = try QueueSocket(queue: 100)
                var copy = dup(first.descriptor)
                for _ in 0..<2 {
                    var next = try QueueSocket(adopting: copy, queue: 100)
                    copy = dup(next.descriptor)
                    var handler = PlainHandler(mark: mark.deposit(1))
                    try inNamespace(fixture.network.podA) {
                        _ = Client.udp(Endpoint(TestNetwork.serverAddress, 7000)).send([1])
                    }
                    #expect(try next.serve(&handler, timeoutMilliseconds: 500) == 1)
                    #expect(next.counters.verdictErrors == 0)
                }
                close(copy)
            }
        }

        @Test func `a batch is decided without allocating`() throws {
            let fixture = try Fixture(serveQueues: false) { $0.queues = 100...100 }
            defer { fixture.stop() }
            let network = fixture.network
            let mark = fixture.configuration.mark
            let (allocations, decided) = try inNamespace(network.node) { () -> (Int, Int) in
                var socket = try QueueSocket(queue: 100)
                var handler = PlainHandler(mark: mark.deposit(1))
                func burst() throws {
                    try inNamespace(network.podA) {
                        for port in 0..<40 { _ = Client.udp(Endpoint(TestNetwork.serverAddress, UInt16(7000 + port))).send([1]) }
                    }
                }
                try burst()
                while try socket.serve(&handler, timeoutMilliseconds: 50) > 0 {}
                try burst()
                let before = exeat_allocations_of_this_thread()
                var decided = 0
                while true {
                    let count = try socket.serve(&handler, timeoutMilliseconds: 0)
                    if count == 0 { break }
                    decided += count
                }
                let after = exeat_allocations_of_this_thread()
                #expect(socket.counters.verdictErrors == 0 && socket.counters.malformed == 0)
                #expect(socket.counters.packets == 80)
                return (Int(after - before), decided)
            }
            #expect(decided == 40)
            #expect(allocations == 0)
        }

        @Test func `installing again in place keeps the packets that wait`() throws {
            let fixture = try Fixture(serveQueues: false) { $0.queues = 100...100 }
            defer { fixture.stop() }
            let network = fixture.network
            let table = fixture.table
            let configuration = fixture.configuration
            try inNamespace(network.node) {
                let socket = try QueueSocket(queue: 100)
                try inNamespace(network.podA) { _ = Client.udp(Endpoint(TestNetwork.serverAddress, 80)).send([1]) }
                #expect(waitUntil { QueueStatistics.all().first?.waiting == 1 })
                try table.socket.install(configuration, contents: Fixture.contents)
                #expect(QueueStatistics.all().first?.waiting == 1)
                _ = socket.portID
            }
        }

        @Test func `a full queue drops and counts`() throws {
            let fixture = try Fixture(serveQueues: false) { $0.queues = 100...100 }
            defer { fixture.stop() }
            let network = fixture.network
            try inNamespace(network.node) {
                var options = QueueOptions()
                options.lengthMax = 8
                let socket = try QueueSocket(queue: 100, options: options)
                try inNamespace(network.podA) {
                    for port in 0..<20 { _ = Client.udp(Endpoint(TestNetwork.serverAddress, UInt16(7000 + port))).send([1]) }
                }
                #expect(waitUntil { QueueStatistics.all().first?.dropped == 12 }, "\(QueueStatistics.all())")
                _ = socket.portID
            }
        }
    }
}

private struct PlainHandler: PacketHandler {
    let mark: UInt32
    mutating func beginBatch() {}
    mutating func decide(_ packet: QueuedPacket, payload: Span<UInt8>) -> PacketVerdict { payload.isEmpty ? .drop : .repeat(mark: mark) }
}
