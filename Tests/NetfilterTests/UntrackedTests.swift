import NetfilterTables
import NetworkTypes
import Testing

extension KernelSuites {
    /// `TableConfiguration.isDNSUntracked`: what is asked of the resolver itself is nobody's flow.
    @Suite(.serialized)
    struct UntrackedTests {
        private static let resolvers = [TestNetwork.dnsAddress, TestNetwork.dns6Address]

        private static func entries(_ fixture: Fixture, with address: IPAddress) throws -> [Substring] {
            let list = try fixture.node("conntrack -L -f \(address.family == .v4 ? "ipv4" : "ipv6") 2>/dev/null").text
            return list.split(separator: "\n").filter { $0.contains("=\(address) ") }
        }

        /// As kube-proxy brings the address of a service to somebody else: here to the server's port 9, where nobody is.
        private static func translate(_ fixture: Fixture, _ resolver: IPAddress) throws {
            let (family, server) =
                resolver.family == .v4 ? ("ip", "\(TestNetwork.serverAddress)") : ("ip6", "[\(TestNetwork.server6Address)]")
            let rules = ["udp", "tcp"].flatMap { transport in
                ["pre", "out"].map {
                    "add rule \(family) foreign \($0) \(family) daddr \(resolver) \(transport) dport 53 dnat to \(server):9"
                }
            }
            try fixture.node(
                """
                nft 'add table \(family) foreign; add chain \(family) foreign pre { type nat hook prerouting priority -100; }; \
                add chain \(family) foreign out { type nat hook output priority -100; }; \(rules.joined(separator: "; "))'
                """
            ).expectSuccess()
        }

        @Test(arguments: resolvers)
        func `nobody's query makes an entry but a policed pod's over TCP`(resolver: IPAddress) throws {
            let fixture = try Fixture { $0.isDNSUntracked = true }
            defer { fixture.stop() }
            fixture.script.answer(.drop)
            let network = fixture.network
            for namespace in [network.podA, network.podB, network.server, network.node] {
                for _ in 0..<2 { #expect(try fixture.udp(from: namespace, to: resolver, 53).echo() == .reached) }
            }
            for namespace in [network.podB, network.server, network.node] {
                let (client, attempt, _) = try fixture.connect(from: namespace, to: resolver, 53)
                #expect(attempt == .reached && client?.echo() == .reached)
            }
            // The node's address may be a host endpoint's.
            try fixture.table.socket.apply([.addPoliced(resolver), .setCurrent(resolver, generation: 1)])
            let (own, isOwn, _) = try fixture.connect(from: network.node, to: resolver, 53)
            #expect(isOwn == .reached && own?.echo() == .reached)
            try fixture.table.socket.apply([.removePoliced(resolver), .removeCurrent(resolver)])
            #expect(try Self.entries(fixture, with: resolver).isEmpty)
            let (client, attempt, _) = try fixture.connect(from: network.podA, to: resolver, 53)
            #expect(attempt == .reached && client?.echo() == .reached)
            #expect(try Self.entries(fixture, with: resolver).count == 1)
            #expect(fixture.script.take().isEmpty)
        }

        @Test(arguments: resolvers)
        func `intercepted queries are translated back`(resolver: IPAddress) throws {
            let fixture = try Fixture { $0.isDNSUntracked = true }
            defer { fixture.stop() }
            let foreign = resolver.family == .v4 ? TestNetwork.serverAddress : TestNetwork.server6Address
            for _ in 0..<2 { #expect(try fixture.udp(from: fixture.network.podA, to: foreign, 53).echo() == .reached) }
            let (client, attempt, _) = try fixture.connect(from: fixture.network.podA, to: foreign, 53)
            #expect(attempt == .reached && client?.echo() == .reached)
        }

        @Test(arguments: resolvers, [false, true])
        func `a service's address that is a listen address is answered here`(resolver: IPAddress, isDNSUntracked: Bool) throws {
            let fixture = try Fixture { $0.isDNSUntracked = isDNSUntracked }
            defer { fixture.stop() }
            try Self.translate(fixture, resolver)
            let network = fixture.network
            // A policed pod's queries are translated by us first.
            for (namespace, isHere) in [(network.podA, true), (network.podB, isDNSUntracked), (network.node, isDNSUntracked)] {
                let answer = try fixture.udp(from: namespace, to: resolver, 53).echo()
                #expect((answer == .reached) == isHere, "\(namespace): \(answer)")
                let (client, attempt, _) = try fixture.connect(from: namespace, to: resolver, 53)
                #expect((attempt == .reached && client?.echo() == .reached) == isHere, "\(namespace): \(attempt)")
            }
        }

        @Test(arguments: resolvers)
        func `a source that is not its own reaches the resolver no more than before`(resolver: IPAddress) throws {
            let fixture = try Fixture { $0.isDNSUntracked = true }
            defer { fixture.stop() }
            let isV4 = resolver.family == .v4
            let policed = isV4 ? TestNetwork.addressA : TestNetwork.address6A
            let nobody = IPAddress(parsing: isV4 ? "192.0.2.77" : "2001:db8:1::77")!
            for (namespace, source, counter) in [
                (fixture.network.podB, policed, TableCounter.unknownEndpoint), (fixture.network.podB, nobody, .unknownEndpoint),
                (fixture.network.server, policed, .spoofedSource),
            ] {
                try inNamespace(namespace) { try shell("ip addr add \(source)/\(isV4 ? "32" : "128 nodad") dev eth0") }
                let before = try fixture.counter(counter)
                let client = try inNamespace(namespace) { Client.udp(Endpoint(resolver, 53), source: Endpoint(source, 4_053)) }
                #expect(client.echo(timeout: 0.2) == .silent)
                #expect(try fixture.counter(counter) > before, "\(source) from \(namespace)")
            }
        }

        @Test func `while there are classes of processes, what the node asks is tracked`() throws {
            let fixture = try Fixture(serveQueues: false) {
                $0.isDNSUntracked = true
                $0.isNodeOpen = true
                $0.classes = [ProcessClassRule(number: 1, owner: .users(4_000...4_000), dnsPort: 10_053)]
            }
            defer { fixture.stop() }
            #expect(try fixture.udp(from: fixture.network.node, to: TestNetwork.dnsAddress, 53).echo() == .reached)
            let entries = try Self.entries(fixture, with: TestNetwork.dnsAddress)
            #expect(entries.count == 1, "\(entries)")
            #expect(try fixture.udp(from: fixture.network.podB, to: TestNetwork.dnsAddress, 53).echo() == .reached)
            #expect(try Self.entries(fixture, with: TestNetwork.addressB).isEmpty)
        }
    }
}
