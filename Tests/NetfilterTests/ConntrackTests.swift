import Conntrack
import NetfilterTables
import NetworkTypes
import Synchronization
import Testing

extension KernelSuites {
    @Suite(.serialized)
    struct ConntrackTests {
        static func entries(_ fixture: Fixture) throws -> [ConntrackEntry] {
            try inNamespace(fixture.network.node) {
                var socket = try ConntrackSocket()
                var entries: [ConntrackEntry] = []
                try socket.dump { entries.append($0) }
                return entries
            }
        }

        @Test func `entries are read with both tuples and the mark`() throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            fixture.script.answer(.allow(1))
            for server in [TestNetwork.serverAddress, TestNetwork.server6Address] {
                let client = try #require(try fixture.connect(from: fixture.network.podA, to: server).0)
                #expect(client.echo() == .reached)
            }
            #expect(try fixture.udp(from: fixture.network.podA, to: TestNetwork.serverAddress, 53).echo() == .reached)
            let entries = try Self.entries(fixture).filter { $0.original.destinationPort == 80 }
            #expect(Set(entries.map(\.original.source)) == [TestNetwork.addressA, TestNetwork.address6A])
            for entry in entries {
                #expect(entry.transport == .tcp && entry.mark == MarkLayout.standard.deposit(1))
                #expect(entry.reply.destination == entry.original.source && entry.reply.sourcePort == 80)
                #expect(entry.status & 0xa == 0xa)  // IPS_SEEN_REPLY, IPS_CONFIRMED
            }
            let dns = try #require(try Self.entries(fixture).first { $0.transport == .udp && $0.original.destinationPort == 53 })
            #expect(dns.original.destination == TestNetwork.serverAddress && dns.reply.source == TestNetwork.dnsAddress)
        }

        @Test(arguments: [TestNetwork.addressA, TestNetwork.address6A])
        func `purging an address deletes what it began, in its family, and nothing else`(address: IPAddress) throws {
            let fixture = try Fixture(contents: TableContents(known: Fixture.contents.known))
            defer { fixture.stop() }
            for server in [TestNetwork.serverAddress, TestNetwork.server6Address] {
                for pod in [fixture.network.podA, fixture.network.podB] {
                    for _ in 0..<3 { #expect(try fixture.udp(from: pod, to: server).echo() == .reached) }
                }
            }
            let inbound = try fixture.udp(from: fixture.network.server, to: address)
            #expect(inbound.echo() == .reached)
            let before = try Self.entries(fixture).filter { $0.original.source != address }
            let deleted = try inNamespace(fixture.network.node) {
                var socket = try ConntrackSocket()
                return try socket.purge(originalSource: address)
            }
            #expect(deleted >= 3)
            let after = try Self.entries(fixture)
            #expect(!after.contains { $0.original.source == address })
            #expect(Set(after.map(\.original)) == Set(before.map(\.original)))
            #expect(after.contains { $0.original.destination == address })
        }

        @Test func `purging port 53 spares everything else`() throws {
            let fixture = try Fixture(contents: TableContents(known: Fixture.contents.known)) { $0.interceptDNS = false }
            defer { fixture.stop() }
            #expect(try fixture.udp(from: fixture.network.podA, to: TestNetwork.dnsAddress, 53).echo() == .reached)
            #expect(try fixture.connect(from: fixture.network.podA, to: TestNetwork.dns6Address, 53).1 == .reached)
            #expect(try fixture.udp(from: fixture.network.podB, to: TestNetwork.dnsAddress, 53).echo() == .reached)
            #expect(try fixture.udp(from: fixture.network.podA, to: TestNetwork.serverAddress).echo() == .reached)
            let deleted = try inNamespace(fixture.network.node) {
                var socket = try ConntrackSocket()
                return try socket.purgePort53(originalSources: [TestNetwork.addressA, TestNetwork.address6A])
            }
            #expect(deleted == 2)
            let after = try Self.entries(fixture)
            #expect(after.contains { $0.original.source == TestNetwork.addressB && $0.original.destinationPort == 53 })
            #expect(after.contains { $0.original.source == TestNetwork.addressA && $0.original.destinationPort == 80 })
            #expect(!after.contains { $0.original.source == TestNetwork.addressA && $0.original.destinationPort == 53 })
        }
    }
}
