import Conntrack
import Enforcement
import FlowResets
import Glibc
import NetworkTypes
import PacketHeaders
import Synchronization
import Testing

extension KernelSuites {
    /// A client, a router that translates both addresses, a server: the router ends their connection.
    @Suite(.serialized)
    struct FlowResetterTests {
        /// ```
        /// client 192.0.2.2 -- 192.0.2.1 router 198.51.100.1 -- server 198.51.100.10
        /// 2001:db8:1::2 -- ::1                 2001:db8:2::1 -- 2001:db8:2::10
        ///        203.0.113.1:80, 2001:db8:99::1:80 -> server:7000, from the router's own address
        /// ```
        final class Lab {
            let prefix = "exr-\(getpid())-"
            var client: String { prefix + "c" }
            var router: String { prefix + "r" }
            var server: String { prefix + "s" }

            init(translating: Bool) throws {
                var script = """
                    set -e
                    for x in \(client) \(router) \(server); do
                        ip netns add $x; ip -n $x link set lo up
                        ip netns exec $x sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
                    done
                    ip netns exec \(router) sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
                    ip -n \(router) link add c0 type veth peer name eth0 netns \(client)
                    ip -n \(router) link add s0 type veth peer name eth0 netns \(server)
                    ip -n \(router) addr add 192.0.2.1/24 dev c0; ip -n \(router) addr add 2001:db8:1::1/64 dev c0 nodad
                    ip -n \(router) addr add 198.51.100.1/24 dev s0; ip -n \(router) addr add 2001:db8:2::1/64 dev s0 nodad
                    ip -n \(client) addr add 192.0.2.2/24 dev eth0; ip -n \(client) addr add 2001:db8:1::2/64 dev eth0 nodad
                    ip -n \(server) addr add 198.51.100.10/24 dev eth0; ip -n \(server) addr add 2001:db8:2::10/64 dev eth0 nodad
                    for x in c0 s0; do ip -n \(router) link set $x up; done
                    ip -n \(client) link set eth0 up; ip -n \(server) link set eth0 up
                    ip -n \(client) route add default via 192.0.2.1; ip -n \(client) -6 route add default via 2001:db8:1::1
                    ip -n \(server) route add default via 198.51.100.1; ip -n \(server) -6 route add default via 2001:db8:2::1
                    ip netns exec \(router) nft -f - <<'END'
                    table inet lab {
                        chain marked { type filter hook forward priority 0; ct mark set 7; }

                    """
                if translating {
                    script += """
                            chain pre { type nat hook prerouting priority -100;
                                ip daddr 203.0.113.1 tcp dport 80 dnat ip to 198.51.100.10:7000
                                ip6 daddr 2001:db8:99::1 tcp dport 80 dnat ip6 to [2001:db8:2::10]:7000
                            }
                            chain post { type nat hook postrouting priority 100; oifname s0 masquerade random; }

                        """
                }
                script += "}\nEND\n"
                do {
                    try shell(script)
                } catch {
                    stop()
                    throw error
                }
            }

            func stop() { for name in [client, router, server] { _ = try? shell("ip netns del \(name)", mustSucceed: false) } }
        }

        /// One end of a TCP connection.
        final class End: Sendable {
            let descriptor: Int32
            init(_ descriptor: Int32) { self.descriptor = descriptor }
            deinit { close(descriptor) }

            func receive(timeoutMilliseconds: Int32 = 3_000) -> Int32? {
                var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                guard unsafe poll(&polled, 1, timeoutMilliseconds) > 0 else { return nil }
                var byte: UInt8 = 0
                let count = unsafe recv(descriptor, &byte, 1, Int32(MSG_DONTWAIT))
                return count < 0 ? errno : 0
            }

            func send(_ count: Int) { _ = unsafe Glibc.send(descriptor, [UInt8](repeating: 65, count: count), count, Int32(MSG_NOSIGNAL)) }
        }

        static func listen(_ lab: Lab, _ endpoint: Endpoint) throws -> Int32 {
            try inNamespace(lab.server) {
                let descriptor = socket(endpoint.family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
                guard unsafe endpoint.withAddress({ unsafe bind(descriptor, $0, $1) }) == 0, Glibc.listen(descriptor, 4) == 0 else {
                    throw HarnessError("listen: errno \(errno)")
                }
                return descriptor
            }
        }

        final class Box: @unchecked Sendable {
            var resetter: FlowResetter
            init(_ resetter: consuming FlowResetter) { self.resetter = resetter }
        }

        struct Case: Sendable, CustomStringConvertible {
            let isV6: Bool
            let isTranslated: Bool
            let isReply: Bool
            var description: String { "\(isV6 ? "IPv6" : "IPv4")\(isTranslated ? ", translated" : "")\(isReply ? ", refused reply" : "")" }
        }

        static let cases = [false, true].flatMap { v6 in
            [false, true].flatMap { nat in [false, true].map { Case(isV6: v6, isTranslated: nat, isReply: $0) } }
        }

        /// Both ends of a new connection and the sequence numbers that they stand at: the router reads them from a packet that it sees.
        @Test(arguments: cases)
        func `both ends of a connection are reset, translated or not`(_ row: Case) throws {
            let lab = try Lab(translating: row.isTranslated)
            defer { lab.stop() }
            let serverAddress = IPAddress(parsing: row.isV6 ? "2001:db8:2::10" : "198.51.100.10")!
            let clientAddress = IPAddress(parsing: row.isV6 ? "2001:db8:1::2" : "192.0.2.2")!
            let target =
                row.isTranslated
                ? Endpoint(IPAddress(parsing: row.isV6 ? "2001:db8:99::1" : "203.0.113.1")!, 80) : Endpoint(serverAddress, 7_000)
            let listener = End(try Self.listen(lab, Endpoint(serverAddress, 7_000)))
            // The first packets wait for neighbours.
            var made: Client?
            _ = try waitUntil(seconds: 8) {
                made = try inNamespace(lab.client) { Client.connect(target, timeout: 1).0 }
                return made != nil
            }
            let client = try #require(made)
            // As in the filter chains: the true ends. Connections that came up too late for an attempt before are there as well.
            let port = unsafe Self.port(client.descriptor, getsockname)
            let entry = try inNamespace(lab.router) {
                var found: [ConntrackEntry] = []
                var socket = try ConntrackSocket()
                try socket.dump { found.append($0) }
                return found.first { $0.transport == .tcp && $0.reply.sourcePort == 7_000 && $0.original.sourcePort == port }
            }
            let known = try #require(entry)
            var taken: End?
            for _ in 0..<10 where taken == nil {
                let accepted = accept(listener.descriptor, nil, nil)
                try #require(accepted >= 0)
                let end = End(accepted)
                if unsafe Self.port(accepted, getpeername) == known.reply.destinationPort { taken = end }
            }
            let server = try #require(taken)
            // A packet socket of the router sees the refused packet: a few bytes from one side to the other.
            let sniffer = try inNamespace(lab.router) {
                let descriptor = socket(AF_PACKET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), Int32(UInt16(3).bigEndian))
                guard descriptor >= 0 else { throw HarnessError("packet socket: errno \(errno)") }
                return End(descriptor)
            }
            // From now on nothing is forwarded: what is sent is lost, as a refused packet is, and the receiver has not seen it.
            try shell("ip netns exec \(lab.router) nft add chain inet lab stop '{ type filter hook forward priority 10; policy drop; }'")
            if row.isReply { server.send(5) } else { #expect(client.send([1, 2, 3, 4, 5])) }
            var seen: FlowReset?
            _ = waitUntil(seconds: 3) {
                var buffer = [UInt8](repeating: 0, count: 2_048)
                let count = unsafe recv(sniffer.descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
                guard count > 0, let parsed = try? Self.record(Array(buffer[..<count]), row.isReply), parsed.sequenceLength == 5 else {
                    return false
                }
                seen = parsed
                return true
            }
            let sniffed = try #require(seen)
            #expect((known.original.destination == known.reply.source) == !row.isTranslated)
            let ends = (Endpoint(clientAddress, known.original.sourcePort), Endpoint(serverAddress, 7_000))
            let (from, to) = row.isReply ? (ends.1, ends.0) : (ends.0, ends.1)
            let record = FlowReset(
                source: from.address, destination: to.address, sourcePort: from.port, destinationPort: to.port, sequence: sniffed.sequence,
                acknowledgement: sniffed.acknowledgement, sequenceLength: sniffed.sequenceLength, isAcknowledging: true,
                isReply: row.isReply,
                resetsSender: true)
            let outcome = try inNamespace(lab.router) {
                let box = Box(try FlowResetter())
                return try box.resetter.reset(record, now: Instant(seconds: 10))
            }
            #expect(outcome == .sent(2))
            #expect(server.receive() == ECONNRESET)
            #expect(End(dup(client.descriptor)).receive() == ECONNRESET)
            // Connection tracking has understood it: the entry will not linger.
            let after = try inNamespace(lab.router) {
                var socket = try ConntrackSocket()
                return try socket.find(known.original, .tcp)
            }
            #expect((after?.timeoutSeconds ?? 0) <= 120, "\(String(describing: after))")
        }

        /// The port of a socket's own end, or of the other.
        private static func port(
            _ descriptor: Int32, _ name: (Int32, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
        ) -> UInt16 {
            var address = sockaddr_in6()
            var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
            let status = unsafe withUnsafeMutablePointer(to: &address) {
                unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe name(descriptor, $0, &length) }
            }
            // It stands at the same place in both families.
            return status == 0 ? UInt16(bigEndian: address.sin6_port) : 0
        }

        private static func record(_ packet: [UInt8], _ isReply: Bool) throws -> FlowReset? {
            FlowReset(of: packet.span, try PacketHeaders(parsing: packet.span), isReply: isReply, resetsSender: true)
        }

        @Test func `a flow that nobody knows is left alone, and what is beyond the bound waits for nobody`() throws {
            let lab = try Lab(translating: false)
            defer { lab.stop() }
            let record = FlowReset(
                source: IPAddress(v4: 0xc000_0202), destination: IPAddress(v4: 0xc633_640a), sourcePort: 5, destinationPort: 6, sequence: 1,
                acknowledgement: 2, sequenceLength: 0, isAcknowledging: true, isReply: false, resetsSender: true)
            try inNamespace(lab.router) {
                let box = Box(try FlowResetter())
                var outcomes: [FlowResetter.Outcome: Int] = [:]
                for _ in 0..<(FlowResetter.perSecondMax + 10) {
                    outcomes[try box.resetter.reset(record, now: Instant(seconds: 10)), default: 0] += 1
                }
                #expect(outcomes[.noFlow] == FlowResetter.walksPerSecondMax)
                #expect(outcomes[.limited] == FlowResetter.perSecondMax + 10 - FlowResetter.walksPerSecondMax)
                #expect(try box.resetter.reset(record, now: Instant(seconds: 11)) == .noFlow)
            }
        }
    }
}
