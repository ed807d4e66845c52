import Glibc
import NetfilterQueue
import NetfilterTables
import NetworkTypes
import Synchronization
import Testing

extension KernelSuites {
    /// Packets of real pods through the table and the queue.
    @Suite(.serialized)
    struct EnforcementTests {
        static let servers = [TestNetwork.serverAddress, TestNetwork.server6Address]
        static let mark = MarkLayout.standard

        static func policed(_ server: IPAddress) -> IPAddress { server.family == .v4 ? TestNetwork.addressA : TestNetwork.address6A }
        static func unpoliced(_ server: IPAddress) -> IPAddress { server.family == .v4 ? TestNetwork.addressB : TestNetwork.address6B }

        @Test(arguments: servers)
        func `an allowed flow is asked for once and stamped`(server: IPAddress) throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            fixture.script.answer(.allow(1))
            let (client, attempt, _) = try fixture.connect(from: fixture.network.podA, to: server)
            #expect(attempt == .reached)
            for _ in 0..<5 { #expect(client?.echo() == .reached) }
            let udp = try fixture.udp(from: fixture.network.podA, to: server)
            for _ in 0..<5 { #expect(udp.echo() == .reached) }
            let questions = fixture.script.take()
            #expect(questions.map(\.code) == [0, 0])
            #expect(questions.map(\.transport) == [6, 17])
            #expect(questions.allSatisfy { $0.hook == 2 && $0.isIPv6 == (server.family == .v6) })
        }

        @Test(arguments: servers)
        func `a refused TCP connection gets a reset and UDP an ICMP error, both at once`(server: IPAddress) throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            fixture.script.answer(.reject)
            _ = try fixture.connect(from: fixture.network.podA, to: server)  // resolves neighbours
            let (_, attempt, took) = try fixture.connect(from: fixture.network.podA, to: server)
            #expect(attempt == .refused(errno: ECONNREFUSED))
            // Without a reset the kernel sends the SYN again after a second.
            #expect(took < 500, "\(took) ms")
            let started = milliseconds()
            let udp = try fixture.udp(from: fixture.network.podA, to: server).echo()
            #expect(udp.isRefused && milliseconds() - started < 500, "\(udp)")
            #expect(try fixture.counter(.rejected) == 3)
            #expect(try fixture.node("grep -c . /proc/net/nf_conntrack || true").text.contains("0"), "a refused flow leaves no entry")
        }

        @Test(arguments: servers)
        func `a dropped packet is silent`(server: IPAddress) throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            fixture.script.answer(.drop)
            #expect(try fixture.connect(from: fixture.network.podA, to: server, timeout: 0.3).1 == .silent)
            #expect(try fixture.udp(from: fixture.network.podA, to: server).echo(timeout: 0.3) == .silent)
        }

        @Test func `without anybody at the queue nothing passes in enforce mode and all in audit mode`() throws {
            for mode in [EnforcementMode.enforce, .audit] {
                let fixture = try Fixture(serveQueues: false) { $0.mode = mode }
                defer { fixture.stop() }
                for server in Self.servers {
                    let attempt = try fixture.connect(from: fixture.network.podA, to: server, timeout: 0.3).1
                    #expect(attempt == (mode == .audit ? .reached : .silent), "\(mode)")
                }
            }
        }

        @Test(arguments: servers)
        func `a new generation brings every flow of that endpoint back once, and nobody else's`(server: IPAddress) throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            fixture.script.answer(.allow(1))
            let other = Self.unpoliced(server)
            try fixture.table.socket.apply([.addPoliced(other), .setCurrent(other, generation: 1)])
            let a = try #require(try fixture.connect(from: fixture.network.podA, to: server).0)
            let a2 = try fixture.udp(from: fixture.network.podA, to: server)
            let b = try #require(try fixture.connect(from: fixture.network.podB, to: server).0)
            for client in [a, a2, b] { #expect(client.echo() == .reached) }
            _ = fixture.script.take()

            fixture.script.answer(.allow(2))
            try fixture.table.socket.apply([.setCurrent(Self.policed(server), generation: 2)])
            for _ in 0..<3 { for client in [a, a2, b] { #expect(client.echo() == .reached) } }
            #expect(fixture.script.take().map(\.code) == [Self.mark.redecideOriginal, Self.mark.redecideOriginal])

            fixture.script.answer(.reject)
            try fixture.table.socket.apply([.setCurrent(Self.policed(server), generation: 3)])
            #expect(a.echo().isRefused)
            #expect(a2.echo().isRefused)
            #expect(b.echo() == .reached)
            // What is refused stays refused: its entry is kept, so that the server's next packet is no new inbound flow.
            #expect(a2.echo().isRefused)
            #expect(fixture.script.take().allSatisfy { $0.code == Self.mark.redecideOriginal })
        }

        @Test func `packets of the responder are asked for with codes of their own`() throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            fixture.script.answer(.allow(1))
            let server = try inNamespace(fixture.network.server) {
                Client.udp(Endpoint(TestNetwork.addressA, 4000), source: Endpoint(TestNetwork.serverAddress, 4001))
            }
            let pod = try inNamespace(fixture.network.podA) {
                Client.udp(Endpoint(TestNetwork.serverAddress, 4001), source: Endpoint(TestNetwork.addressA, 4000))
            }
            #expect(pod.send([1]))
            #expect(waitUntil { fixture.script.state.withLock { $0.questions.count == 1 } })
            _ = fixture.script.take()
            try fixture.table.socket.apply([.setCurrent(TestNetwork.addressA, generation: 2)])
            fixture.script.answer(.allow(2))
            #expect(server.send([2]))
            #expect(waitUntil { fixture.script.state.withLock { $0.questions.count == 1 } })
            #expect(fixture.script.take().map(\.code) == [Self.mark.redecideReply])

            // A flow that was let through undecided (its mark is zero) and is answered.
            let server2 = try inNamespace(fixture.network.server) {
                Client.udp(Endpoint(TestNetwork.addressA, 5000), source: Endpoint(TestNetwork.serverAddress, 5001))
            }
            let pod2 = try inNamespace(fixture.network.podA) {
                Client.udp(Endpoint(TestNetwork.serverAddress, 5001), source: Endpoint(TestNetwork.addressA, 5000))
            }
            fixture.script.answer(.acceptOnce)
            #expect(pod2.send([1]))
            #expect(waitUntil { fixture.script.state.withLock { $0.questions.count == 1 } })
            #expect(fixture.script.take().map(\.code) == [0])
            #expect(server2.send([2]))
            #expect(waitUntil { fixture.script.state.withLock { $0.questions.count == 1 } })
            #expect(fixture.script.take().map(\.code) == [Self.mark.newReply])
        }

        @Test(arguments: servers)
        func `a verdict of an old generation is asked for again after the stamp`(server: IPAddress) throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            let table = fixture.table
            let address = Self.policed(server)
            // The policy changes while the verdict is on its way.
            fixture.script.state.withLock { state in
                state.queued = [.allow(1), .allow(1), .allow(2)]
                state.beforeAnswer = { try? table.socket.apply([.setCurrent(address, generation: 2)]) }
            }
            let (client, attempt, _) = try fixture.connect(from: fixture.network.podA, to: server)
            #expect(attempt == .reached)
            #expect(client?.echo() == .reached)
            #expect(fixture.script.take().map(\.code) == [0, 0, 0])
            // And the answer to the second question may be a refusal.
            fixture.script.state.withLock { state in
                state.queued = [.allow(2), .reject]
                state.beforeAnswer = { try? table.socket.apply([.setCurrent(address, generation: 3)]) }
            }
            #expect(try fixture.connect(from: fixture.network.podA, to: server).1 == .refused(errno: ECONNREFUSED))
        }

        @Test func `a packet repeated without an answer is asked for again`() throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            fixture.script.state.withLock { $0.queued = [.repeatUnchanged, .repeatUnchanged, .allow(1)] }
            let client = try #require(try fixture.connect(from: fixture.network.podA, to: TestNetwork.serverAddress).0)
            #expect(fixture.script.take().map(\.code) == [0, 0, 0])
            try fixture.table.socket.apply([.setCurrent(TestNetwork.addressA, generation: 2)])
            fixture.script.state.withLock { $0.queued = [.repeatUnchanged, .repeatUnchanged, .allow(2)] }
            #expect(client.echo() == .reached)
            #expect(fixture.script.take().map(\.code) == Array(repeating: Self.mark.redecideOriginal, count: 3))
        }

        @Test(arguments: servers)
        func `inbound flows and the answers to them are not judged, probes from the node neither`(server: IPAddress) throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            fixture.script.answer(.drop)
            let target = Self.policed(server)
            for namespace in [fixture.network.node, fixture.network.server, fixture.network.podB] {
                let (client, attempt, _) = try fixture.connect(from: namespace, to: target)
                #expect(attempt == .reached, "\(namespace)")
                for _ in 0..<3 { #expect(client?.echo() == .reached) }
                #expect(try fixture.udp(from: namespace, to: target).echo() == .reached)
            }
            #expect(fixture.script.take().isEmpty)
        }

        @Test func `flows to the node itself are judged in input, their answers pass`() throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            fixture.script.answer(.allow(1))
            let (client, attempt, _) = try fixture.connect(from: fixture.network.podA, to: IPAddress(parsing: "198.51.100.1")!)
            #expect(attempt == .reached)
            #expect(client?.echo() == .reached)
            #expect(fixture.script.take().map(\.hook) == [1])
            fixture.script.answer(.reject)
            #expect(
                try fixture.connect(from: fixture.network.podA, to: IPAddress(parsing: "198.51.100.1")!).1 == .refused(errno: ECONNREFUSED))
        }

        @Test func `a host endpoint is judged in output and its refusals arrive`() throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            let host = IPAddress(parsing: "198.51.100.1")!
            try fixture.table.socket.apply([.addPoliced(host), .setCurrent(host, generation: 1)])
            fixture.script.answer(.allow(1))
            let (client, attempt, _) = try fixture.connect(from: fixture.network.node, to: TestNetwork.serverAddress)
            #expect(attempt == .reached)
            #expect(client?.echo() == .reached)
            #expect(fixture.script.take().map(\.hook) == [3])
            try fixture.table.socket.apply([.setCurrent(host, generation: 2)])
            fixture.script.answer(.allow(2))
            #expect(client?.echo() == .reached)
            fixture.script.answer(.reject)
            let (_, refused, took) = try fixture.connect(from: fixture.network.node, to: TestNetwork.serverAddress)
            #expect(refused == .refused(errno: ECONNREFUSED))
            // Without a reset the kernel sends the SYN again after a second.
            #expect(took < 500, "\(took) ms")
            #expect(try fixture.udp(from: fixture.network.node, to: TestNetwork.serverAddress).echo().isRefused)
        }

        @Test(arguments: servers)
        func `an unknown source behind a workload interface reaches nothing, known ones elsewhere are spoofed`(server: IPAddress) throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            fixture.script.answer(.allow(1))
            let isV4 = server.family == .v4
            // Another address in pod A, and pod B's address used by pod A.
            for source in isV4 ? ["192.0.2.77", "192.0.2.3"] : ["2001:db8:1::77", "2001:db8:1::3"] {
                let bits = isV4 ? 32 : 128
                try inNamespace(fixture.network.podA) { try shell("ip addr add \(source)/\(bits) dev eth0 \(isV4 ? "" : "nodad")") }
                let before = try fixture.counter(.unknownEndpoint)
                let address = IPAddress(parsing: source)!
                let client = try inNamespace(fixture.network.podA) { Client.udp(Endpoint(server, 80), source: Endpoint(address, 4000)) }
                #expect(client.echo(timeout: 0.2) == .silent)
                // DNS is no exception.
                let dns = try inNamespace(fixture.network.podA) { Client.udp(Endpoint(server, 53), source: Endpoint(address, 4001)) }
                #expect(dns.echo(timeout: 0.2) == .silent)
                #expect(try fixture.counter(.unknownEndpoint) >= before + 2)
            }
            #expect(fixture.script.take().isEmpty)
            // The server pretends to be the policed pod.
            let policed = Self.policed(server)
            let bits = isV4 ? 32 : 128
            try inNamespace(fixture.network.server) { try shell("ip addr add \(policed)/\(bits) dev lo \(isV4 ? "" : "nodad")") }
            try fixture.node("sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.uplink.rp_filter=0").expectSuccess()
            let before = try fixture.counter(.spoofedSource)
            let target = isV4 ? IPAddress(parsing: "198.51.100.1")! : IPAddress(parsing: "2001:db8:2::1")!
            let liar = try inNamespace(fixture.network.server) { Client.udp(Endpoint(target, 80), source: Endpoint(policed, 4000)) }
            #expect(liar.echo(timeout: 0.2) == .silent)
            #expect(try fixture.counter(.spoofedSource) > before)
        }

        @Test func `in audit mode spoofing is counted only`() throws {
            let fixture = try Fixture { $0.mode = .audit }
            defer { fixture.stop() }
            try inNamespace(fixture.network.podA) { try shell("ip addr add 192.0.2.77/32 dev eth0") }
            try fixture.node("ip route add 192.0.2.77/32 dev caliA").expectSuccess()
            let client = try inNamespace(fixture.network.podA) {
                Client.udp(Endpoint(TestNetwork.serverAddress, 80), source: Endpoint(IPAddress(parsing: "192.0.2.77")!, 4000))
            }
            #expect(client.echo() == .reached)
            #expect(try fixture.counter(.unknownEndpoint) > 0)
        }

        @Test(arguments: [TestNetwork.serverAddress, TestNetwork.server6Address])
        func `DNS of a policed pod to any server is brought to the interceptor over an unnumbered veth`(server: IPAddress) throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            fixture.script.answer(.drop)
            // Nobody serves port 53 at the server: an answer can only come from the node, and it comes from the address that was asked.
            let udp = try fixture.udp(from: fixture.network.podA, to: server, 53)
            #expect(udp.echo() == .reached)
            let (client, attempt, _) = try fixture.connect(from: fixture.network.podA, to: server, 53)
            #expect(attempt == .reached)
            #expect(client?.echo() == .reached)
            // The resolver's own address works as well; an unpoliced pod is left alone.
            let own = server.family == .v4 ? TestNetwork.dnsAddress : TestNetwork.dns6Address
            #expect(try fixture.udp(from: fixture.network.podA, to: own, 53).echo() == .reached)
            #expect(try fixture.udp(from: fixture.network.podB, to: server, 53).echo(timeout: 0.3).isRefused)
            #expect(fixture.script.take().isEmpty)
        }

        @Test func `foreign bits of ct mark and packet mark are kept`() throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            fixture.script.answer(.allow(0x155))
            try fixture.table.socket.apply([.setCurrent(TestNetwork.addressA, generation: 0x155)])
            try fixture.node(
                """
                nft 'add table ip foreign; add chain ip foreign pre { type filter hook prerouting priority -100; }; \
                add rule ip foreign pre iifname caliA ct mark set 0xabcd2080 meta mark set 0x00024000; \
                add chain ip foreign post { type filter hook postrouting priority 0; }; \
                add rule ip foreign post meta mark 0x00024000 oifname uplink counter'
                """
            ).expectSuccess()
            let client = try #require(try fixture.connect(from: fixture.network.podA, to: TestNetwork.serverAddress).0)
            #expect(client.echo() == .reached)
            let expected = 0xabcd_2080 | Self.mark.deposit(0x155)
            let conntrack = try fixture.node("conntrack -L -p tcp 2>/dev/null").text
            // prerouting of the foreign table runs behind conntrack and sets the mark anew with each packet: look at what the stamp made.
            #expect(conntrack.contains("mark=\(expected)") || conntrack.contains("mark=\(UInt32(0xabcd_2080))"), "\(conntrack)")
            let questions = fixture.script.take()
            #expect(questions.first.map { $0.mark & ~Self.mark.mask } == 0x0002_4000)
            #expect(try fixture.node("nft list table ip foreign").text.contains(#/counter packets [1-9]/#))
        }

        @Test func `foreign bits of ct mark that were set once stay beside the stamp`() throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            fixture.script.answer(.allow(0x0aaa))
            try fixture.table.socket.apply([.setCurrent(TestNetwork.addressA, generation: 0x0aaa)])
            try fixture.node(
                """
                nft 'add table ip foreign; add chain ip foreign pre { type filter hook prerouting priority -100; }; \
                add rule ip foreign pre iifname caliA ct state new ct mark set 0xabcd2080'
                """
            ).expectSuccess()
            let client = try #require(try fixture.connect(from: fixture.network.podA, to: TestNetwork.serverAddress).0)
            #expect(client.echo() == .reached)
            let conntrack = try fixture.node("conntrack -L -p tcp 2>/dev/null").text
            #expect(conntrack.contains("mark=\(0xabcd_2080 | Self.mark.deposit(0x0aaa))"), "\(conntrack)")
            #expect(fixture.script.take().count == 1)
        }

        @Test func `a forged packet mark is no verdict`() throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            fixture.script.answer(.drop)
            let forged = Self.mark.deposit(1)
            // From a pod with CAP_NET_RAW, and from a local process of a host endpoint.
            #expect(try fixture.connect(from: fixture.network.podA, to: TestNetwork.serverAddress, timeout: 0.3, mark: forged).1 == .silent)
            let host = IPAddress(parsing: "198.51.100.1")!
            try fixture.table.socket.apply([.addPoliced(host), .setCurrent(host, generation: 1)])
            #expect(try fixture.connect(from: fixture.network.node, to: TestNetwork.serverAddress, timeout: 0.3, mark: forged).1 == .silent)
            #expect(fixture.script.take().allSatisfy { $0.code == 0 })
            // An answer with a generation that is not current does not help either.
            fixture.script.state.withLock { state in
                state.queued = [.allow(9)]
                state.answer = .drop
            }
            #expect(try fixture.connect(from: fixture.network.podA, to: TestNetwork.serverAddress, timeout: 0.3).1 == .silent)
        }

        @Test func `a mid-stream packet towards a policed endpoint opens nothing, one of a policed endpoint is asked for`() throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            fixture.script.answer(.allow(1))
            let client = try #require(try fixture.connect(from: fixture.network.podA, to: TestNetwork.serverAddress).0)
            #expect(client.echo() == .reached)
            _ = fixture.script.take()
            fixture.script.answer(.drop)
            // The entry vanishes; the pod's next packet is judged as new.
            try fixture.node("conntrack -F 2>/dev/null").expectSuccess()
            #expect(client.echo(timeout: 0.3) == .silent)
            let questions = fixture.script.take()
            #expect(!questions.isEmpty && questions.allSatisfy { $0.code == 0 })
            // An inbound connection whose entry vanishes: the peer's next packet would open one.
            let inbound = try #require(try fixture.connect(from: fixture.network.server, to: TestNetwork.addressA).0)
            #expect(inbound.echo() == .reached)
            try fixture.node("conntrack -F 2>/dev/null").expectSuccess()
            #expect(inbound.echo(timeout: 0.3) == .silent)
            #expect(try fixture.counter(.midstreamIngress) > 0)
        }

        @Test func `an ICMP error follows its flow`() throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            fixture.script.answer(.allow(1))
            // Port 9 is closed at the server: its ICMP error belongs to a flow that is current.
            let client = try fixture.udp(from: fixture.network.podA, to: TestNetwork.serverAddress, 9)
            #expect(client.echo().isRefused)
            // The policy changes before the error comes back: it is dropped and counted.
            try inNamespace(fixture.network.server) {
                try shell(
                    "nft 'add table ip late; add chain ip late in { type filter hook input priority 0; }; add rule ip late in udp dport 9 drop'"
                )
            }
            let late = try fixture.udp(from: fixture.network.podA, to: TestNetwork.serverAddress, 9)
            #expect(late.echo(timeout: 0.1) == .silent)
            try fixture.table.socket.apply([.setCurrent(TestNetwork.addressA, generation: 2)])
            fixture.script.state.withLock { $0.queued = [.allow(2)] }
            let table = fixture.table
            fixture.script.state.withLock { state in
                state.beforeAnswer = nil
            }
            try inNamespace(fixture.network.server) { try shell("nft delete table ip late") }
            // The question of this packet is answered for generation 2, but 3 is current when the error comes: refuse the re-asked one.
            fixture.script.state.withLock { state in
                state.queued = [.acceptOnce]
                state.beforeAnswer = { try? table.socket.apply([.setCurrent(TestNetwork.addressA, generation: 3)]) }
            }
            #expect(late.echo(timeout: 0.2) == .silent)
            #expect(try fixture.counter(.relatedDenied) > 0)
        }

        @Test(arguments: LimitTests.servers)
        func `a first packet whose verdict a change of policy overtakes is asked about as one never let in`(server: IPAddress) throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            let (table, policed) = (fixture.table, LimitTests.policed(server))
            fixture.script.state.withLock { state in
                (state.queued, state.answer) = ([.allow(1)], .allow(2))
                state.beforeAnswer = { try? table.socket.apply([.setCurrent(policed, generation: 2)]) }
            }
            let client = try fixture.udp(from: fixture.network.podA, to: server)
            #expect(client.echo() == .reached)
            #expect(fixture.script.take().map(\.code) == [0, 0])
            // What has been let in is asked about as that.
            fixture.script.state.withLock { state in
                (state.queued, state.answer) = ([.allow(3)], .allow(4))
                state.beforeAnswer = { try? table.socket.apply([.setCurrent(policed, generation: 4)]) }
            }
            try table.socket.apply([.setCurrent(policed, generation: 3)])
            #expect(client.echo() == .reached)
            let again = MarkLayout.standard.redecideOriginal
            #expect(fixture.script.take().map(\.code) == [again, again])
        }

        @Test func `an untracked packet of a policed source is asked for every time`() throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            fixture.script.answer(.allow(1))
            try fixture.node(
                "nft 'add table ip foreign; add chain ip foreign pre { type filter hook prerouting priority -310; }; "
                    + "add rule ip foreign pre udp dport 80 notrack; add rule ip foreign pre udp sport 80 notrack'"
            ).expectSuccess()
            let client = try fixture.udp(from: fixture.network.podA, to: TestNetwork.serverAddress)
            for _ in 0..<3 { #expect(client.echo() == .reached) }
            #expect(fixture.script.take().map(\.code) == Array(repeating: MarkLayout.standard.hello, count: 3))
            fixture.script.answer(.reject)
            #expect(client.echo().isRefused)
        }

        @Test(arguments: LimitTests.servers, [Answer.allow(1), .lease(1)])
        func `a verdict on an untracked packet that a change of policy overtakes does not count`(server: IPAddress, overtaken: Answer)
            throws
        {
            let fixture = try Fixture()
            defer { fixture.stop() }
            try fixture.node(
                "nft 'add table inet foreign; add chain inet foreign pre { type filter hook prerouting priority -310; }; "
                    + "add rule inet foreign pre udp dport 80 notrack; add rule inet foreign pre udp sport 80 notrack; "
                    + "add chain inet foreign post { type filter hook postrouting priority 0; }; "
                    + "add rule inet foreign post oifname uplink udp dport 80 meta mark 0 counter'"
            ).expectSuccess()
            let client = try fixture.udp(from: fixture.network.podA, to: server)
            let (table, policed) = (fixture.table, LimitTests.policed(server))
            fixture.script.state.withLock { state in
                (state.queued, state.answer) = ([overtaken], .drop)
                state.beforeAnswer = { try? table.socket.apply([.setCurrent(policed, generation: 2)]) }
            }
            #expect(client.echo(timeout: 0.3) == .silent)
            #expect(fixture.script.take().map(\.code) == Array(repeating: MarkLayout.standard.hello, count: 2))
            // The new policy allows it: asked again once, and then it passes, unmarked.
            fixture.script.state.withLock { state in
                (state.queued, state.answer) = ([overtaken], .allow(3))
                state.beforeAnswer = { try? table.socket.apply([.setCurrent(policed, generation: 3)]) }
            }
            #expect(client.echo() == .reached)
            #expect(fixture.script.take().map(\.code) == Array(repeating: MarkLayout.standard.hello, count: 2))
            #expect(try fixture.node("nft list table inet foreign").text.contains("counter packets 1 "))
        }

        @Test func `a transfer of large segments passes and is asked for once`() throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            fixture.script.answer(.allow(1))
            let client = try #require(try fixture.connect(from: fixture.network.podA, to: TestNetwork.serverAddress).0)
            let total = try inNamespace(fixture.network.podA) { () -> Int in
                let piece = [UInt8](repeating: 7, count: 60_000)
                var received = 0
                var buffer = [UInt8](repeating: 0, count: 65_536)
                for _ in 0..<50 {
                    guard client.send(piece) else { return received }
                    var missing = piece.count
                    while missing > 0 {
                        let count = unsafe recv(client.descriptor, &buffer, min(buffer.count, missing), 0)
                        guard count > 0 else { return received }
                        missing -= count
                        received += count
                    }
                }
                return received
            }
            #expect(total == 3_000_000)
            #expect(fixture.script.take().count == 1)
        }
    }
}
