import Conntrack
import Glibc
import NetfilterTables
import NetworkTypes
import Testing

extension KernelSuites {
    /// Flows that were admitted, decided again and refused.
    @Suite(.serialized)
    struct RevocationTests {
        static let servers = [TestNetwork.serverAddress, TestNetwork.server6Address]
        static let mark = MarkLayout.standard

        static func policed(_ server: IPAddress) -> IPAddress { server.family == .v4 ? TestNetwork.addressA : TestNetwork.address6A }

        /// A UDP flow between pod A and the server, both ends with ports of their own.
        private static func pair(_ fixture: Fixture, _ server: IPAddress, _ port: UInt16) throws -> (pod: Client, server: Client) {
            let address = policed(server)
            let pod = try inNamespace(fixture.network.podA) { Client.udp(Endpoint(server, port), source: Endpoint(address, port + 1)) }
            let far = try inNamespace(fixture.network.server) { Client.udp(Endpoint(address, port + 1), source: Endpoint(server, port)) }
            return (pod, far)
        }

        @Test(arguments: servers)
        func `a revoked flow is refused in both directions without asking, and its entry stays`(server: IPAddress) throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            fixture.script.answer(.allow(1))
            let tcp = try #require(try fixture.connect(from: fixture.network.podA, to: server).0)
            let udp = try Self.pair(fixture, server, 4_000)
            let other = try Self.pair(fixture, server, 5_000)
            #expect(tcp.echo() == .reached)
            for ends in [udp, other] {
                #expect(ends.pod.send([1]) && ends.server.receives())
                #expect(ends.server.send([2]) && ends.pod.receives())
            }
            _ = fixture.script.take()

            fixture.script.answer(.revoke)
            fixture.script.answer(.allow(2), port: 5_000)
            try fixture.table.socket.apply([.setCurrent(Self.policed(server), generation: 2)])
            // The first packet after the change is the server's.
            #expect(udp.server.send([3]))
            #expect(!udp.pod.receives(milliseconds: 200))
            #expect(fixture.script.take().map(\.code) == [Self.mark.redecideReply])
            #expect(tcp.echo().isRefused)
            #expect(other.pod.send([1]) && other.server.receives())
            _ = fixture.script.take()

            // From now on nobody is asked, whoever sends.
            let before = try fixture.counter(.revoked)
            for _ in 0..<4 {
                _ = udp.pod.send([4])
                _ = udp.server.send([5])
                usleep(10_000)
            }
            #expect(!udp.pod.receives(milliseconds: 100) && !udp.server.receives(milliseconds: 100))
            #expect(fixture.script.take().isEmpty)
            #expect(try fixture.counter(.revoked) > before + 3)
            #expect(other.server.send([2]) && other.pod.receives())

            let entries = try fixture.node("conntrack -L -f \(server.family == .v4 ? "ipv4" : "ipv6") 2>/dev/null").text
            let line = entries.split(separator: "\n").first { $0.contains("sport=4001") }
            #expect(line?.contains("mark=\(Self.mark.deposit(Self.mark.denied)) ") == true, "\(entries)")

            // Whoever takes the mark back has the flow decided anew.
            fixture.script.answer(.allow(2))
            let original = FlowAddresses(
                source: Self.policed(server), destination: server, sourcePort: 4_001, destinationPort: 4_000)
            let mark = Self.mark
            let isFound = try inNamespace(fixture.network.node) {
                var conntrack = try ConntrackSocket()
                return try conntrack.setMark(0, mask: mark.mask, of: original, .udp)
            }
            #expect(isFound)
            #expect(udp.pod.send([6]) && udp.server.receives())
            #expect(fixture.script.take().map(\.code) == [0])
        }

        @Test func `where refusals are silent, so are those of revoked flows`() throws {
            let fixture = try Fixture { $0.rejectsRevoked = false }
            defer { fixture.stop() }
            fixture.script.answer(.allow(1))
            let tcp = try #require(try fixture.connect(from: fixture.network.podA, to: TestNetwork.serverAddress).0)
            let udp = try fixture.udp(from: fixture.network.podA, to: TestNetwork.serverAddress)
            for client in [tcp, udp] { #expect(client.echo() == .reached) }
            fixture.script.answer(.revoke)
            try fixture.table.socket.apply([.setCurrent(TestNetwork.addressA, generation: 2)])
            for client in [tcp, udp] { for _ in 0..<2 { #expect(client.echo(timeout: 0.15) == .silent) } }
            #expect(fixture.script.take().count == 4)
        }

        @Test func `in audit mode a revoked flow goes on and is asked about`() throws {
            let fixture = try Fixture { $0.mode = .audit }
            defer { fixture.stop() }
            fixture.script.answer(.allow(1))
            let (own, server) = (Endpoint(TestNetwork.addressA, 4_001), Endpoint(TestNetwork.serverAddress, 80))
            let udp = try inNamespace(fixture.network.podA) { Client.udp(server, source: own) }
            #expect(udp.echo() == .reached)
            // As enforce mode has left it.
            let mark = Self.mark
            let isFound = try inNamespace(fixture.network.node) {
                var conntrack = try ConntrackSocket()
                let original = FlowAddresses(
                    source: own.address, destination: server.address, sourcePort: own.port, destinationPort: server.port)
                return try conntrack.setMark(mark.deposit(mark.denied), mask: mark.mask, of: original, .udp)
            }
            #expect(isFound)
            _ = fixture.script.take()
            #expect(udp.echo() == .reached)
            #expect(fixture.script.take().map(\.code) == [Self.mark.redecideOriginal])
        }

        @Test func `an endpoint that is not policed any more has no revoked flows`() throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            fixture.script.answer(.allow(1))
            let udp = try fixture.udp(from: fixture.network.podA, to: TestNetwork.serverAddress)
            #expect(udp.echo() == .reached)
            fixture.script.answer(.revoke)
            try fixture.table.socket.apply([.setCurrent(TestNetwork.addressA, generation: 2)])
            for _ in 0..<2 { #expect(udp.echo().isRefused) }
            try fixture.table.socket.apply([.removePoliced(TestNetwork.addressA), .removeCurrent(TestNetwork.addressA)])
            #expect(udp.echo() == .reached)
        }

        @Test(arguments: servers)
        func `a verdict that comes when its endpoint is not policed any more leaves no mark behind`(server: IPAddress) throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            let (policed, table) = (Self.policed(server), fixture.table)
            for (port, verdict) in [(4_000, Answer.allow(1)), (5_000, .lease(1))] as [(UInt16, Answer)] {
                try table.socket.apply([.addPoliced(policed), .setCurrent(policed, generation: 1)])
                let flow = try Self.pair(fixture, server, port)
                fixture.script.answer(verdict)
                fixture.script.state.withLock {
                    $0.beforeAnswer = { try? table.socket.apply([.removePoliced(policed), .removeCurrent(policed)]) }
                }
                #expect(flow.pod.send([1]) && flow.server.receives(), "nobody's egress")
                #expect(fixture.script.take().map(\.code) == [0])
                let entries = try fixture.node("conntrack -L -f \(server.family == .v4 ? "ipv4" : "ipv6") 2>/dev/null").text
                let line = entries.split(separator: "\n").first { $0.contains("sport=\(port + 1)") }
                #expect(line?.contains("mark=0 ") == true, "\(entries)")
                // The next policy of the address begins with the same generation, and decides.
                fixture.script.answer(.drop)
                try table.socket.apply([.addPoliced(policed), .setCurrent(policed, generation: 1)])
                #expect(flow.pod.send([2]) && !flow.server.receives(milliseconds: 100))
                #expect(fixture.script.take().map(\.code) == [0])
            }
        }

        @Test func `with three bits of generations every one comes round, and the codes beside them keep their meaning`() throws {
            let layout = try #require(MarkLayout(mask: 0x8118))
            #expect(layout.generationMax == 7)
            let fixture = try Fixture { $0.mark = layout }
            defer { fixture.stop() }
            fixture.script.answer(.lease(1))
            let client = try #require(try fixture.connect(from: fixture.network.podA, to: TestNetwork.serverAddress).0)
            #expect(client.echo() == .reached)
            for round in 0..<3 {
                for generation in 1...layout.generationMax where round > 0 || generation > 1 {
                    fixture.script.answer(.allow(generation))
                    try fixture.table.socket.apply([.setCurrent(TestNetwork.addressA, generation: generation)])
                    _ = fixture.script.take()
                    for _ in 0..<2 { #expect(client.echo() == .reached) }
                    let asked = fixture.script.take().map(\.code)
                    #expect(!asked.isEmpty && asked.allSatisfy { $0 == layout.redecideOriginal || $0 == layout.redecideReply })
                    fixture.script.answer(.lease(generation))
                    for isLeased in [false, true] {
                        #expect(try fixture.connect(from: fixture.network.podA, to: TestNetwork.serverAddress).1 == .reached)
                        #expect(fixture.script.take().contains { $0.code == 0 } == !isLeased, "generation \(generation)")
                    }
                }
            }
            fixture.script.answer(.revoke)
            try fixture.table.socket.apply([.setCurrent(TestNetwork.addressA, generation: 1)])
            #expect(client.echo().isRefused)
            #expect(throws: TableError.self) { try fixture.table.socket.apply([.setCurrent(TestNetwork.addressA, generation: 8)]) }
        }
    }
}
