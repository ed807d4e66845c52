import Glibc
import NetfilterTables
import NetworkTypes
import Testing

extension KernelSuites {
    /// Verdicts that the kernel remembers by destination.
    @Suite(.serialized)
    struct LeaseTests {
        static let servers = [TestNetwork.serverAddress, TestNetwork.server6Address]
        static let mark = MarkLayout.standard

        static func policed(_ server: IPAddress) -> IPAddress { server.family == .v4 ? TestNetwork.addressA : TestNetwork.address6A }
        static func unpoliced(_ server: IPAddress) -> IPAddress { server.family == .v4 ? TestNetwork.addressB : TestNetwork.address6B }

        @Test(arguments: servers)
        func `after a lease no flow to that destination is asked for, and every one bears the mark`(server: IPAddress) throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            fixture.script.answer(.lease(1))
            let first = try #require(try fixture.connect(from: fixture.network.podA, to: server).0)
            #expect(first.echo() == .reached)
            #expect(try fixture.udp(from: fixture.network.podA, to: server).echo() == .reached)
            #expect(fixture.script.take().map(\.code) == [0, 0])
            #expect(try fixture.table.socket.leaseCount() == 2)
            fixture.script.answer(.drop)
            for _ in 0..<5 {
                let (client, attempt, _) = try fixture.connect(from: fixture.network.podA, to: server)
                #expect(attempt == .reached)
                for _ in 0..<3 { #expect(client?.echo() == .reached) }
                let udp = try fixture.udp(from: fixture.network.podA, to: server)
                for _ in 0..<3 { #expect(udp.echo() == .reached) }
            }
            #expect(fixture.script.take().isEmpty)
            #expect(try fixture.counter(.leased) == 10)
            #expect(try fixture.counter(.leaseRefused) == 0)
            let entries = try fixture.node("conntrack -L -f \(server.family == .v4 ? "ipv4" : "ipv6") 2>/dev/null | grep -v icmp").text
            let marked = entries.split(separator: "\n").filter { $0.contains("src=\(Self.policed(server))") }
            #expect(marked.count == 12 && marked.allSatisfy { $0.contains("mark=\(Self.mark.deposit(1)) ") }, "\(entries)")
            // The magic of the verdict is on no packet and on no flow.
            #expect(try fixture.node("nft list ruleset").text.contains("leases4"))

            // Other ports, protocols, destinations and sources are none of its business.
            #expect(try fixture.connect(from: fixture.network.podA, to: server, 81, timeout: 0.2).1 == .silent)
            let other = Self.unpoliced(server)
            try fixture.table.socket.apply([.addPoliced(other), .setCurrent(other, generation: 1)])
            #expect(try fixture.connect(from: fixture.network.podB, to: server, timeout: 0.2).1 == .silent)
            #expect(try fixture.connect(from: fixture.network.podA, to: other, timeout: 0.2).1 == .silent)
            #expect(fixture.script.take().allSatisfy { $0.code == 0 })
        }

        @Test(arguments: servers)
        func `after a lease of observed connections each begins without a question, and its first data is asked about`(server: IPAddress)
            throws
        {
            let fixture = try Fixture { $0.helloQueues = $0.queues }
            defer { fixture.stop() }
            let (network, script) = (fixture.network, fixture.script)
            script.answer(.leaseObserved(1))
            let first = try #require(try fixture.connect(from: network.podA, to: server).0)
            #expect(script.take().map(\.code) == [0])
            script.answer(.allow(1))
            let clients = try [first] + (0..<3).map { _ in try #require(try fixture.connect(from: network.podA, to: server).0) }
            #expect(script.take().isEmpty)
            #expect(try fixture.counter(.leased) == 3)
            #expect(try fixture.table.socket.leaseCount() == 1)
            #expect(try fixture.counter(.leaseRefused) == 0)
            func marks() throws -> [Substring] {
                let entries = try fixture.node("conntrack -L -p tcp -f \(server.family == .v4 ? "ipv4" : "ipv6") 2>/dev/null").text
                return entries.split(separator: "\n").filter { $0.contains("src=\(Self.policed(server))") }
            }
            let pending = try marks()
            #expect(pending.count == 4 && pending.allSatisfy { $0.contains("mark=\(Self.mark.deposit(Self.mark.pending)) ") }, "\(pending)")
            for client in clients {
                #expect(client.echo() == .reached)
                let questions = script.take()
                #expect(questions.map(\.code) == [Self.mark.hello] && questions.allSatisfy { $0.mark & Self.mark.foreignBits == 0 })
                #expect(client.echo() == .reached)
            }
            #expect(script.take().isEmpty)
            let good = try marks()
            #expect(good.allSatisfy { $0.contains("mark=\(Self.mark.deposit(1)) ") }, "\(good)")

            // Data in the SYN does not leave unseen.
            try inNamespace(network.podA) { try shell("echo 0x5 > /proc/sys/net/ipv4/tcp_fastopen") }
            script.answer(.drop)
            let text = Array("GET".utf8)
            let count = try inNamespace(network.podA) { Client.sendOpening(Endpoint(server, 80), text) }
            #expect(count == text.count)
            #expect(waitUntil { !script.state.withLock { $0.questions.isEmpty } })
            let question = try #require(script.take().first)
            #expect(question.code == Self.mark.hello && question.payloadCount > (server.family == .v4 ? 20 : 40) + 23)

            // What was leased under another policy is asked about as a new one.
            try fixture.table.socket.apply([.setCurrent(Self.policed(server), generation: 2)])
            script.answer(.reject)
            #expect(try fixture.connect(from: network.podA, to: server).1 == .refused(errno: ECONNREFUSED))
            #expect(script.take().map(\.code).contains(0))
        }

        @Test(arguments: servers)
        func `a new generation sends leased destinations back to the queue, as flows never decided`(server: IPAddress) throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            fixture.script.answer(.lease(1))
            #expect(try fixture.connect(from: fixture.network.podA, to: server).1 == .reached)
            _ = fixture.script.take()
            fixture.script.answer(.reject)
            try fixture.table.socket.apply([.setCurrent(Self.policed(server), generation: 2)])
            #expect(try fixture.connect(from: fixture.network.podA, to: server).1 == .refused(errno: ECONNREFUSED))
            #expect(fixture.script.take().map(\.code).filter { $0 == 0 }.count == 1)
            #expect(try fixture.counter(.leased) == 0)
            // The old lease has gone with the first packet that found it: that of the new generation holds at once.
            fixture.script.answer(.lease(2))
            for _ in 0..<2 { #expect(try fixture.connect(from: fixture.network.podA, to: server).1 == .reached) }
            #expect(fixture.script.take().map(\.code).filter { $0 == 0 }.count == 1)
            // Back to the generation before, as after a change taken back.
            try fixture.table.socket.apply([.setCurrent(Self.policed(server), generation: 1)])
            fixture.script.answer(.reject)
            #expect(try fixture.connect(from: fixture.network.podA, to: server).1 == .refused(errno: ECONNREFUSED))
        }

        @Test func `a lease asked for by a verdict that is not current any more is not given`() throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            let table = fixture.table
            fixture.script.state.withLock { state in
                state.queued = [.lease(1), .reject]
                state.beforeAnswer = { try? table.socket.apply([.setCurrent(TestNetwork.addressA, generation: 2)]) }
            }
            #expect(try fixture.connect(from: fixture.network.podA, to: TestNetwork.serverAddress).1 == .refused(errno: ECONNREFUSED))
            let questions = fixture.script.take()
            #expect(questions.map(\.code) == [0, 0])
            #expect(questions.allSatisfy { $0.mark & Self.mark.foreignBits == 0 })
            #expect(try fixture.counter(.leaseRefused) == 0)
            #expect(try fixture.table.socket.leaseCount() == 0)
        }

        @Test func `a lease ends by itself, however often it is used`() throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            fixture.script.answer(.lease(1))
            let udp = try fixture.udp(from: fixture.network.podA, to: TestNetwork.serverAddress)
            #expect(udp.echo() == .reached)
            _ = fixture.script.take()
            fixture.script.answer(.reject)
            let started = milliseconds()
            var last = started
            while milliseconds() < started + 15_000 {
                let sent = milliseconds()
                let attempt = try fixture.udp(from: fixture.network.podA, to: TestNetwork.serverAddress).echo()
                guard attempt == .reached else { break }
                last = sent
                usleep(200_000)
            }
            #expect(last - started < 10_500, "\(last - started) ms")
            #expect(fixture.script.take().map(\.code) == [0])
            // The flow under which it was given lives on.
            #expect(udp.echo() == .reached)
            // The kernel counts what has ended until it collects it.
            #expect(waitUntil(seconds: 20) { (try? fixture.table.socket.leaseCount()) == 0 })
        }

        @Test func `a full map is counted and only means the queue`() throws {
            let fixture = try Fixture { $0.helloQueues = $0.queues }
            defer { fixture.stop() }
            fixture.script.answer(.lease(1))
            // Every address of the network is routed to the server, which answers none of these ports.
            try inNamespace(fixture.network.server) { try shell("ip route add local 10.0.0.0/8 dev lo") }
            try fixture.node("ip route add 10.0.0.0/8 via 198.51.100.10").expectSuccess()
            // The tool fills the map, which nobody owns for that.
            var configuration = fixture.configuration
            configuration.ownership = .none
            try fixture.table.socket.remove()
            try fixture.table.socket.install(configuration, contents: Fixture.contents)
            try fixture.node(
                """
                (for third in $(seq 0 255); do printf 'add element inet exeat leases4 {'; for fourth in $(seq 0 255); do \
                printf '192.0.2.200 . 10.9.%d.%d . tcp . 443 timeout 300s : 0x1,' $third $fourth; done; echo '}'; done) \
                > /tmp/\(fixture.network.prefix)fill; nft -f /tmp/\(fixture.network.prefix)fill; rm /tmp/\(fixture.network.prefix)fill
                """
            ).expectSuccess()
            #expect(try fixture.table.socket.leaseCount() == 65_536)
            for number in 1...3 {
                let (client, attempt, _) = try fixture.connect(from: fixture.network.podA, to: TestNetwork.serverAddress)
                #expect(attempt == .reached)
                #expect(client?.echo() == .reached)
                #expect(try fixture.counter(.leaseRefused) == UInt64(number))
            }
            #expect(fixture.script.take().map(\.code) == [0, 0, 0])
            fixture.script.answer(.leaseObserved(1))
            let observed = try fixture.connect(from: fixture.network.podA, to: TestNetwork.serverAddress)
            #expect(observed.1 == .reached)
            #expect(try fixture.counter(.leaseRefused) == 4)
            #expect(fixture.script.take().map(\.code) == [0])
            fixture.script.answer(.allow(1))
            #expect(observed.0?.echo() == .reached)
            #expect(fixture.script.take().map(\.code) == [Self.mark.hello], "its first data is asked about all the same")
        }

        @Test func `no lease for a packet with a foreign mark, nor for a flow with one`() throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            fixture.script.answer(.lease(1))
            #expect(try fixture.connect(from: fixture.network.podA, to: TestNetwork.serverAddress).1 == .reached)
            _ = fixture.script.take()
            for statement in ["meta mark set 0x00024000", "ct state new ct mark set 0xabcd0000"] {
                try fixture.node(
                    "nft 'table ip foreign; delete table ip foreign; table ip foreign { chain pre { type filter hook prerouting priority -100; "
                        + "iifname caliA \(statement); }; }'"
                ).expectSuccess()
                fixture.script.answer(.allow(1))
                #expect(try fixture.connect(from: fixture.network.podA, to: TestNetwork.serverAddress).1 == .reached)
                #expect(fixture.script.take().map(\.code) == [0], "\(statement)")
            }
            #expect(try fixture.counter(.leased) == 0)
        }

        @Test func `an untracked packet gets no lease, and its mark is as it was`() throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            fixture.script.answer(.lease(1))
            try fixture.node(
                "nft 'add table ip foreign; add chain ip foreign pre { type filter hook prerouting priority -310; }; "
                    + "add rule ip foreign pre udp dport 80 notrack; add rule ip foreign pre udp sport 80 notrack; "
                    + "add chain ip foreign post { type filter hook postrouting priority 0; }; "
                    + "add rule ip foreign post oifname uplink meta mark 0 counter'"
            ).expectSuccess()
            let client = try fixture.udp(from: fixture.network.podA, to: TestNetwork.serverAddress)
            for _ in 0..<3 { #expect(client.echo() == .reached) }
            #expect(fixture.script.take().map(\.code) == Array(repeating: MarkLayout.standard.hello, count: 3))
            #expect(try fixture.table.socket.leaseCount() == 0)
            #expect(try fixture.counter(.leaseRefused) == 0)
            #expect(try fixture.node("nft list table ip foreign").text.contains("counter packets 3 "))
        }

        @Test func `without leases a verdict is not remembered, and its mark is a verdict all the same`() throws {
            let fixture = try Fixture { $0.hasLeases = false }
            defer { fixture.stop() }
            fixture.script.answer(.allow(1))
            for _ in 0..<2 { #expect(try fixture.connect(from: fixture.network.podA, to: TestNetwork.serverAddress).1 == .reached) }
            #expect(fixture.script.take().map(\.code) == [0, 0])
        }

        @Test func `whoever takes the table over begins without leases`() throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            fixture.script.answer(.lease(1))
            #expect(try fixture.connect(from: fixture.network.podA, to: TestNetwork.serverAddress).1 == .reached)
            #expect(try fixture.table.socket.leaseCount() == 1)
            fixture.table.socket = try TableSocket(adopting: dup(fixture.table.socket.descriptor))
            try fixture.table.socket.install(fixture.configuration, contents: Fixture.contents)
            #expect(try fixture.table.socket.leaseCount() == 0)
            _ = fixture.script.take()
            fixture.script.answer(.lease(1))
            for _ in 0..<2 { #expect(try fixture.connect(from: fixture.network.podA, to: TestNetwork.serverAddress).1 == .reached) }
            #expect(fixture.script.take().map(\.code) == [0])
        }
    }
}
