import Glibc
import NetfilterTables
import NetworkTypes
import Testing

extension KernelSuites {
    /// Queries to the interceptor's own address are not tracked; nothing else changes for anybody.
    @Suite(.serialized)
    struct DirectQueryTests {
        private static let resolvers = [TestNetwork.dnsAddress, TestNetwork.dns6Address]

        private static func policed(_ resolver: IPAddress) -> IPAddress {
            resolver.family == .v4 ? TestNetwork.addressA : TestNetwork.address6A
        }

        /// Conntrack's entries of one source at the node.
        private static func entries(_ fixture: Fixture, of source: IPAddress) throws -> [Substring] {
            let list = try fixture.node("conntrack -L -f \(source.family == .v4 ? "ipv4" : "ipv6") 2>/dev/null").text
            return list.split(separator: "\n").filter { $0.contains("src=\(source) ") }
        }

        @Test(arguments: resolvers)
        func `a direct query of a policed pod makes no conntrack entry, over TCP it does`(resolver: IPAddress) throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            fixture.script.answer(.drop)
            for _ in 0..<3 { #expect(try fixture.udp(from: fixture.network.podA, to: resolver, 53).echo() == .reached) }
            #expect(try Self.entries(fixture, of: Self.policed(resolver)).isEmpty)
            let (client, attempt, _) = try fixture.connect(from: fixture.network.podA, to: resolver, 53)
            #expect(attempt == .reached)
            #expect(client?.echo() == .reached)
            let entries = try Self.entries(fixture, of: Self.policed(resolver))
            #expect(entries.count == 1 && entries[0].contains("ESTABLISHED"), "\(entries)")
            #expect(fixture.script.take().isEmpty)
        }

        @Test(arguments: resolvers)
        func `a query to a foreign server is tracked and answered from the address that was asked`(resolver: IPAddress) throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            fixture.script.answer(.drop)
            let foreign = resolver.family == .v4 ? TestNetwork.serverAddress : TestNetwork.server6Address
            // Connected sockets take answers from nobody else. Both at once, so that neither hides the other.
            let asked = try fixture.udp(from: fixture.network.podA, to: foreign, 53)
            let direct = try fixture.udp(from: fixture.network.podA, to: resolver, 53)
            for _ in 0..<3 {
                #expect(asked.echo() == .reached)
                #expect(direct.echo() == .reached)
            }
            let entries = try Self.entries(fixture, of: Self.policed(resolver))
            #expect(entries.count == 1 && entries[0].contains("dst=\(foreign) "), "\(entries)")
            #expect(entries.allSatisfy { $0.contains("src=\(resolver) ") && $0.contains("sport=10053 ") }, "\(entries)")
            #expect(fixture.script.take().isEmpty)
        }

        @Test(arguments: resolvers)
        func `an unknown or borrowed source reaches the interceptor neither way`(resolver: IPAddress) throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            fixture.script.answer(.allow(1))
            let isV4 = resolver.family == .v4
            // An address of nobody, pod B's, which is made a policed one, and pod A's used by pod B.
            let other = isV4 ? TestNetwork.addressB : TestNetwork.address6B
            try fixture.table.socket.apply([.addPoliced(other), .setCurrent(other, generation: 1)])
            let nobody = IPAddress(parsing: isV4 ? "192.0.2.77" : "2001:db8:1::77")!
            for (pod, source) in [
                (fixture.network.podA, nobody), (fixture.network.podA, other), (fixture.network.podB, Self.policed(resolver)),
            ] {
                try inNamespace(pod) { try shell("ip addr add \(source)/\(isV4 ? "32" : "128") dev eth0 \(isV4 ? "" : "nodad")") }
                for port: UInt16 in [53, 10_053] {
                    let before = try fixture.counter(.unknownEndpoint)
                    let client = try inNamespace(pod) { Client.udp(Endpoint(resolver, port), source: Endpoint(source, 4_000 + port)) }
                    #expect(client.echo(timeout: 0.2) == .silent)
                    #expect(try fixture.counter(.unknownEndpoint) > before, "\(source) to port \(port)")
                }
            }
            #expect(fixture.script.take().isEmpty)
        }

        @Test(arguments: resolvers)
        func `the port of intercepted queries is no way around policy`(resolver: IPAddress) throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            fixture.script.answer(.drop)
            #expect(try fixture.udp(from: fixture.network.podA, to: resolver, 10_053).echo(timeout: 0.3) == .silent)
            #expect(fixture.script.take().map(\.transport) == [17])
            fixture.script.answer(.allow(1))
            #expect(try fixture.udp(from: fixture.network.podA, to: resolver, 10_053).echo() == .reached)
        }

        @Test(arguments: [TestNetwork.serverAddress, TestNetwork.server6Address])
        func `what is not tracked and not for this node is decided packet by packet`(address: IPAddress) throws {
            // The configured address is no address of this node: its queries are forwarded.
            let fixture = try Fixture { $0.dnsListen = [address] }
            defer { fixture.stop() }
            fixture.script.answer(.drop)
            let client = try fixture.udp(from: fixture.network.podA, to: address, 53)
            for _ in 0..<3 { #expect(client.echo(timeout: 0.2) == .silent) }
            #expect(fixture.script.take().count == 3)
            fixture.script.answer(.reject)
            #expect(client.echo().isRefused)
        }

        @Test func `an unpoliced pod whose queries others bring to the interceptor is answered from the address that it asked`() throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            try fixture.node(
                """
                nft 'add table ip foreign; add chain ip foreign pre { type nat hook prerouting priority -100; }; \
                add rule ip foreign pre ip daddr 198.51.100.53 udp dport 53 dnat to 169.254.20.10:53'
                """
            ).expectSuccess()
            let service = IPAddress(parsing: "198.51.100.53")!
            #expect(try fixture.udp(from: fixture.network.podB, to: service, 53).echo() == .reached)
            #expect(try fixture.udp(from: fixture.network.podB, to: TestNetwork.dnsAddress, 53).echo() == .reached)
            #expect(try fixture.udp(from: fixture.network.podA, to: service, 53).echo() == .reached)
        }

        @Test func `without interception everything is tracked`() throws {
            let fixture = try Fixture { $0.interceptDNS = false }
            defer { fixture.stop() }
            #expect(try fixture.udp(from: fixture.network.podA, to: TestNetwork.dnsAddress, 53).echo() == .reached)
            #expect(try Self.entries(fixture, of: TestNetwork.addressA).count == 1)
            #expect(try !fixture.node("nft list ruleset").text.contains("notrack"))
        }

        @Test func `the rules are printed, and one port for both kinds of queries is refused`() throws {
            let fixture = try Fixture(serveQueues: false)
            defer { fixture.stop() }
            let text = try fixture.node("nft list ruleset").text
            #expect(text.split(separator: "\n").count { $0.contains("notrack accept") } == 4, "\(text)")
            #expect(text.contains("ct original proto-dst 53"), "\(text)")
            let same = try Fixture.standardConfiguration { $0.dnsInterceptPort = 53 }
            try inNamespace(fixture.network.server) {
                var socket = try TableSocket()
                #expect(throws: TableError.self) { try socket.install(same, contents: Fixture.contents) }
            }
        }
    }
}
