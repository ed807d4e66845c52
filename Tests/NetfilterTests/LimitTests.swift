import Conntrack
import Glibc
import NetfilterTables
import NetworkTypes
import Testing

extension KernelSuites {
    /// Limits of one source ahead of the queue.
    @Suite(.serialized)
    struct LimitTests {
        static let servers = [TestNetwork.serverAddress, TestNetwork.server6Address]

        static func policed(_ server: IPAddress) -> IPAddress { server.family == .v4 ? TestNetwork.addressA : TestNetwork.address6A }
        static func unpoliced(_ server: IPAddress) -> IPAddress { server.family == .v4 ? TestNetwork.addressB : TestNetwork.address6B }

        /// Datagrams of flows of their own, none answered.
        private static func flood(_ fixture: borrowing Fixture, _ count: Int, _ server: IPAddress) throws {
            for _ in 0..<count { _ = try fixture.udp(from: fixture.network.podA, to: server).echo(timeout: 0) }
            // The last of them are answered.
            usleep(200_000)
        }

        @Test(arguments: servers)
        func `questions of one source beyond its rate are dropped and counted ahead of the queue, and no other's`(server: IPAddress) throws
        {
            // A question a second, so that none is given back while the test runs but a few.
            let fixture = try Fixture { $0.questionLimit = RateLimit(packetsPerSecond: 1, burst: 10) }
            defer { fixture.stop() }
            fixture.script.answer(.drop)
            try Self.flood(fixture, 200, server)
            let asked = fixture.script.take().count
            #expect((10...100).contains(asked), "\(asked)")
            #expect(try fixture.counter(.questionRate) == UInt64(200 - asked))
            #expect(try fixture.table.socket.limitedAddresses() == [Self.policed(server)])
            #expect(try fixture.node("nft list ruleset").text.contains("limit rate over 1/second burst 10 packets"))
            // Another endpoint asks as before.
            let other = Self.unpoliced(server)
            try fixture.table.socket.apply([.addPoliced(other), .setCurrent(other, generation: 1)])
            fixture.script.answer(.allow(1))
            #expect(try fixture.connect(from: fixture.network.podB, to: server).1 == .reached)
            #expect(try fixture.table.socket.limitedAddresses() == [Self.policed(server)])
        }

        /// A datagram of DHCP as a client sends it; without a source, from none.
        private static func discover(from namespace: String, as source: IPAddress?) throws {
            try inNamespace(namespace) {
                let client = Client.udp(Endpoint(IPAddress(v4: .max), 67), source: Endpoint(source ?? IPAddress(v4: 0), 68))
                var on: Int32 = 1
                _ = unsafe setsockopt(client.descriptor, SOL_SOCKET, SO_BROADCAST, &on, 4)
                if source == nil { _ = unsafe setsockopt(client.descriptor, SOL_SOCKET, SO_BINDTODEVICE, "eth0", 4) }
                let isConnected = unsafe Endpoint(IPAddress(v4: .max), 67).withAddress { unsafe connect(client.descriptor, $0, $1) }
                guard isConnected == 0, client.send([1, 2, 3, 4]) else { throw HarnessError("no datagram of DHCP: errno \(errno)") }
            }
        }

        @Test func `DHCP is sent from no address, and nobody spends the rate of another by it`() throws {
            let fixture = try Fixture { $0.connectionLimit = RateLimit(packetsPerSecond: 1, burst: 10) }
            defer { fixture.stop() }
            fixture.script.answer(.drop)
            let podB = fixture.network.podB
            try fixture.node("sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.caliB.rp_filter=0").expectSuccess()
            // What passes reaches the node's own server of DHCP.
            let server = try inNamespace(fixture.network.node) { try Client.udp(boundTo: Endpoint(IPAddress(v4: 0), 67)) }
            try inNamespace(podB) { try shell("ip addr add \(TestNetwork.addressA)/32 dev eth0") }
            for _ in 0..<100 { try Self.discover(from: podB, as: TestNetwork.addressA) }
            #expect(!server.receives(milliseconds: 200))
            #expect(try fixture.counter(.unknownEndpoint) > 0)
            #expect(try fixture.table.socket.limitedAddresses().isEmpty)
            #expect(fixture.script.take().isEmpty)
            fixture.script.answer(.allow(1))
            #expect(try fixture.udp(from: fixture.network.podA, to: TestNetwork.serverAddress).echo() == .reached)
            // Who has no address yet.
            try inNamespace(podB) { try shell("ip -4 addr flush dev eth0") }
            try Self.discover(from: podB, as: nil)
            #expect(server.receives())
        }

        /// A flow of UDP that was allowed, and whose name is in this state since.
        private static func flow(_ fixture: borrowing Fixture, from pod: String, _ source: IPAddress, to server: IPAddress, _ state: UInt32)
            throws
            -> Client
        {
            let client = try inNamespace(pod) { Client.udp(Endpoint(server, 80), source: Endpoint(source, 40_080)) }
            #expect(client.echo() == .reached)
            let mark = fixture.configuration.mark
            let addresses = FlowAddresses(source: source, destination: server, sourcePort: 40_080, destinationPort: 80)
            try inNamespace(fixture.network.node) {
                var conntrack = try ConntrackSocket()
                #expect(try conntrack.setMark(mark.deposit(state), mask: mark.mask, of: addresses, .udp))
            }
            return client
        }

        @Test(arguments: servers, [MarkLayout.standard.checkedQUIC, MarkLayout.standard.pending])
        func `packets that may hold a hello have a bucket of their endpoint ahead of the queue, and no other's is touched`(
            server: IPAddress, state: UInt32
        ) throws {
            let fixture = try Fixture { $0.helloLimit = RateLimit(packetsPerSecond: 1, burst: 10) }
            defer { fixture.stop() }
            let (policed, other) = (Self.policed(server), Self.unpoliced(server))
            try fixture.table.socket.apply([.addPoliced(other), .setCurrent(other, generation: 1)])
            fixture.script.answer(.allow(1))
            let client = try Self.flow(fixture, from: fixture.network.podA, policed, to: server, state)
            let neighbour = try Self.flow(fixture, from: fixture.network.podB, other, to: server, state)
            for _ in 0..<60 { #expect(client.send([0xc0, 0, 0, 0])) }
            let dropped = try fixture.counter(.helloRate)
            #expect((30...50).contains(dropped), "\(dropped)")
            #expect(try fixture.table.socket.limitedAddresses() == [policed])
            for _ in 0..<5 { #expect(neighbour.send([0xc0, 0, 0, 0])) }
            #expect(try fixture.counter(.helloRate) == dropped)
            // A short header is no hello where the name was good.
            if state == MarkLayout.standard.checkedQUIC { #expect(client.echo() == .reached) }
        }

        @Test(arguments: servers)
        func `a live flow never meets the limit, also when its policy changes`(server: IPAddress) throws {
            let fixture = try Fixture { $0.questionLimit = RateLimit(packetsPerSecond: 1, burst: 10) }
            defer { fixture.stop() }
            fixture.script.answer(.allow(1))
            let client = try #require(try fixture.connect(from: fixture.network.podA, to: server).0)
            fixture.script.answer(.drop)
            try Self.flood(fixture, 100, server)
            _ = fixture.script.take()
            for _ in 0..<20 { #expect(client.echo() == .reached) }
            #expect(fixture.script.take().isEmpty)
            fixture.script.answer(.allow(2))
            try fixture.table.socket.apply([.setCurrent(Self.policed(server), generation: 2)])
            for _ in 0..<20 { #expect(client.echo() == .reached) }
            #expect(fixture.script.take().map(\.code).contains(MarkLayout.standard.redecideOriginal))
        }

        @Test(arguments: servers)
        func `queries have one bucket, whether sent to the resolver or brought there, and no other's is touched`(server: IPAddress) throws {
            let fixture = try Fixture { $0.queryLimit = RateLimit(packetsPerSecond: 4, burst: 12) }
            defer { fixture.stop() }
            let pod = fixture.network.podA
            let resolver = server.family == .v4 ? TestNetwork.dnsAddress : TestNetwork.dns6Address
            // By turns, as an element bears the limit of the rule that made it.
            for _ in 0..<4 {
                #expect(try fixture.udp(from: pod, to: server, 53).echo() == .reached)
                #expect(try fixture.udp(from: pod, to: resolver, 53).echo() == .reached)
            }
            #expect(try fixture.counter(.queryRate) == 0)
            let direct = try fixture.udp(from: pod, to: resolver, 53)
            for _ in 0..<60 { _ = direct.send(Array("flood".utf8)) }
            let dropped = try fixture.counter(.queryRate)
            #expect(dropped > 30)
            #expect(try fixture.connect(from: pod, to: server, 53, timeout: 0.1).1 == .silent)
            #expect(try fixture.counter(.queryRate) > dropped)
            #expect(try fixture.udp(from: fixture.network.podB, to: resolver, 53).echo() == .reached)
            #expect(
                try waitUntil(seconds: 8) {
                    let isReached = try fixture.udp(from: pod, to: server, 53).echo(timeout: 0.5) == .reached
                    if !isReached { sleep(1) }
                    return isReached
                })
            #expect(try fixture.udp(from: pod, to: resolver, 53).echo() == .reached)
        }

        @Test(arguments: servers, [false, true])
        func `a workload without a policy has a bucket for its queries too`(server: IPAddress, isUntracked: Bool) throws {
            let fixture = try Fixture {
                $0.queryLimit = RateLimit(packetsPerSecond: 4, burst: 12)
                $0.isDNSUntracked = isUntracked
            }
            defer { fixture.stop() }
            let resolver = server.family == .v4 ? TestNetwork.dnsAddress : TestNetwork.dns6Address
            let client = try fixture.udp(from: fixture.network.podB, to: resolver, 53)
            for _ in 0..<8 { #expect(client.echo() == .reached) }
            #expect(try fixture.counter(.queryRate) == 0)
            for _ in 0..<60 { _ = client.send(Array("flood".utf8)) }
            let dropped = try fixture.counter(.queryRate)
            #expect(dropped > 30)
            #expect(try fixture.table.socket.limitedAddresses() == [Self.unpoliced(server)])
            #expect(try fixture.udp(from: fixture.network.podA, to: resolver, 53).echo() == .reached)
        }

        @Test(arguments: servers)
        func `new flows of a workload beyond its rate are dropped ahead of its leases, and no other's`(server: IPAddress) throws {
            let fixture = try Fixture { $0.connectionLimit = RateLimit(packetsPerSecond: 1, burst: 10) }
            defer { fixture.stop() }
            fixture.script.answer(.lease(1))
            let began = milliseconds()
            let client = try #require(try fixture.connect(from: fixture.network.podA, to: server).0)
            #expect(try fixture.connect(from: fixture.network.podA, to: server).1 == .reached)
            try Self.flood(fixture, 200, server)
            // Those that came before the lease was there; all that had a token at the most.
            #expect(fixture.script.take().count <= 12)
            let refused = try fixture.counter(.connectionRate)
            // 202 have begun, and no bucket but that of the address lets any pass: ten, and one for each second since.
            let refilled = Int((milliseconds() - began) / 1_000) + 1
            #expect((192 - refilled...192).contains(Int(refused)), "\(refused)")
            #expect(try fixture.table.socket.limitedAddresses() == [Self.policed(server)])
            #expect(try fixture.node("nft list ruleset").text.contains("limit rate 1/second burst 10 packets"))
            for _ in 0..<20 { #expect(client.echo() == .reached) }
            // What is decided again because policy changed takes no token.
            fixture.script.answer(.allow(2))
            try fixture.table.socket.apply([.setCurrent(Self.policed(server), generation: 2)])
            for _ in 0..<20 { #expect(client.echo() == .reached) }
            #expect(fixture.script.take().map(\.code).contains(MarkLayout.standard.redecideOriginal))
            // Nobody else's, and none of what comes from outside.
            for _ in 0..<20 { #expect(try fixture.connect(from: fixture.network.podB, to: server).1 == .reached) }
            for _ in 0..<20 { #expect(try fixture.connect(from: fixture.network.server, to: Self.policed(server)).1 == .reached) }
            #expect(try fixture.table.socket.limitedAddresses() == [Self.policed(server)])
        }

        @Test(arguments: servers)
        func `connections beyond the rate are dropped ahead of connection tracking, and an open one goes on`(server: IPAddress) throws {
            let fixture = try Fixture { $0.connectionLimit = RateLimit(packetsPerSecond: 1, burst: 10) }
            defer { fixture.stop() }
            fixture.script.answer(.allow(1))
            let began = milliseconds()
            let client = try #require(try fixture.connect(from: fixture.network.podA, to: server).0)
            var opened = 1
            for _ in 0..<40 where try fixture.connect(from: fixture.network.podA, to: server, timeout: 0.05).1 == .reached { opened += 1 }
            let refilled = Int((milliseconds() - began) / 1_000) + 1
            #expect((5...10 + refilled).contains(opened), "\(opened)")
            #expect(try fixture.counter(.connectionRate) >= 41 - opened)
            #expect(fixture.script.take().count == opened)
            #expect(client.echo() == .reached)
            #expect(try fixture.node("nft list chain inet exeat workload").text.contains("jump begin\(server.family == .v4 ? 4 : 6)"))
        }

        @Test func `audit mode counts new flows beyond the rate and lets them pass`() throws {
            let fixture = try Fixture {
                $0.connectionLimit = RateLimit(packetsPerSecond: 1, burst: 10)
                $0.mode = .audit
            }
            defer { fixture.stop() }
            fixture.script.answer(.allow(1))
            for _ in 0..<30 { #expect(try fixture.connect(from: fixture.network.podA, to: TestNetwork.serverAddress).1 == .reached) }
            #expect(try fixture.counter(.connectionRate) > 0)
        }

        @Test func `audit mode counts what is beyond the rate and lets it pass`() throws {
            let fixture = try Fixture {
                $0.questionLimit = RateLimit(packetsPerSecond: 1, burst: 10)
                $0.mode = .audit
            }
            defer { fixture.stop() }
            fixture.script.answer(.drop)
            try Self.flood(fixture, 100, TestNetwork.serverAddress)
            // Whether asked about or not.
            fixture.script.answer(.allow(1))
            for _ in 0..<4 { #expect(try fixture.connect(from: fixture.network.podA, to: TestNetwork.serverAddress).1 == .reached) }
            #expect(try fixture.counter(.questionRate) > 0)
        }

        @Test(arguments: servers)
        func `new flows of a capped source are refused, leased or not, and its open ones and others go on`(server: IPAddress) throws {
            let fixture = try Fixture { $0.capsConnections = true }
            defer { fixture.stop() }
            fixture.script.answer(.lease(1))
            let client = try #require(try fixture.connect(from: fixture.network.podA, to: server).0)
            #expect(try fixture.connect(from: fixture.network.podA, to: server).1 == .reached)
            #expect(fixture.script.take().count == 1)
            try fixture.table.socket.apply([.addCapped(Self.policed(server))])
            for _ in 0..<3 {
                #expect(try fixture.connect(from: fixture.network.podA, to: server, timeout: 0.1).1 == .silent)
                #expect(try fixture.connect(from: fixture.network.podA, to: server, 81, timeout: 0.1).1 == .silent)
                #expect(client.echo() == .reached)
                #expect(try fixture.connect(from: fixture.network.podB, to: server).1 == .reached)
            }
            #expect(fixture.script.take().isEmpty)
            #expect(try fixture.counter(.connectionCap) >= 6)
            #expect(try fixture.table.socket.contents().capped == [Self.policed(server)])
            // Flows from outside to it are none of its own.
            let outside = try fixture.connect(from: fixture.network.server, to: Self.policed(server))
            #expect(outside.1 == .reached)
            try fixture.table.socket.apply([.removeCapped(Self.policed(server))])
            #expect(try fixture.connect(from: fixture.network.podA, to: server).1 == .reached)
            #expect(try fixture.table.socket.contents().capped.isEmpty)
        }

        @Test func `a table that is installed anew keeps who is capped, and begins with full buckets`() throws {
            let fixture = try Fixture {
                $0.questionLimit = RateLimit(packetsPerSecond: 1, burst: 10)
                $0.capsConnections = true
            }
            defer { fixture.stop() }
            var contents = Fixture.contents
            contents.capped = [TestNetwork.address6A]
            try fixture.table.socket.install(fixture.configuration, contents: contents)
            #expect(try fixture.table.socket.contents() == contents)
            fixture.script.answer(.drop)
            try Self.flood(fixture, 100, TestNetwork.serverAddress)
            let asked = fixture.script.take().count
            try fixture.table.socket.install(fixture.configuration, contents: contents)
            try Self.flood(fixture, 100, TestNetwork.serverAddress)
            #expect(asked >= 10 && fixture.script.take().count >= 10)
        }
    }
}
