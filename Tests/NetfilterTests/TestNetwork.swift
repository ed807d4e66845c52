import Glibc
import NetworkTypes
import Synchronization
import Testing

/// A node with two pods behind unnumbered veth pairs (as Calico makes them) and a server on a numbered network; routed by the node.
///
/// ```
/// podA 192.0.2.2, 2001:db8:1::2 --caliA--+
///                                        node --uplink-- server 198.51.100.10, 2001:db8:2::10
/// podB 192.0.2.3, 2001:db8:1::3 --caliB--+  (198.51.100.1, 2001:db8:2::1; DNS address 169.254.20.10, 2001:db8:53::10)
/// ```
/// All namespaces are named exn-PROCESS-NUMBER-...; deleted at the end of its life.
final class TestNetwork: Sendable {
    private static let counter = Mutex(0)
    let prefix: String
    var node: String { prefix + "node" }
    var podA: String { prefix + "a" }
    var podB: String { prefix + "b" }
    var server: String { prefix + "s" }

    static let addressA = IPAddress(parsing: "192.0.2.2")!
    static let addressB = IPAddress(parsing: "192.0.2.3")!
    static let address6A = IPAddress(parsing: "2001:db8:1::2")!
    static let address6B = IPAddress(parsing: "2001:db8:1::3")!
    static let serverAddress = IPAddress(parsing: "198.51.100.10")!
    static let server6Address = IPAddress(parsing: "2001:db8:2::10")!
    static let dnsAddress = IPAddress(parsing: "169.254.20.10")!
    static let dns6Address = IPAddress(parsing: "2001:db8:53::10")!

    init() throws {
        guard getuid() == 0 else { throw HarnessError("the kernel tests make network namespaces and nftables: run them as root") }
        let number = Self.counter.withLock { value in
            value += 1
            return value
        }
        prefix = "exn-\(getpid())-\(number)-"
        let (n, a, b, s) = (prefix + "node", prefix + "a", prefix + "b", prefix + "s")
        var script = "set -e\nfor x in \(n) \(a) \(b) \(s); do ip netns add $x; ip -n $x link set lo up; done\n"
        script += """
            for x in \(n) \(a) \(b) \(s); do ip netns exec $x sh -c 'sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0'; done
            ip netns exec \(n) sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.icmp_ratelimit=0 net.ipv4.icmp_msgs_per_sec=100000
            ip -n \(n) link add uplink type veth peer name eth0 netns \(s)
            ip -n \(n) addr add 198.51.100.1/24 dev uplink
            ip -n \(n) addr add 2001:db8:2::1/64 dev uplink nodad
            ip -n \(n) link set uplink up
            ip -n \(s) addr add 198.51.100.10/24 dev eth0
            ip -n \(s) addr add 2001:db8:2::10/64 dev eth0 nodad
            ip -n \(s) link set eth0 up
            ip -n \(s) route add default via 198.51.100.1
            ip -n \(s) -6 route add default via 2001:db8:2::1
            ip -n \(n) route add default via 198.51.100.10
            ip -n \(n) addr add 169.254.20.10/32 dev lo
            ip -n \(n) addr add 2001:db8:53::10/128 dev lo nodad

            """
        for (name, interface, host) in [(a, "caliA", 2), (b, "caliB", 3)] {
            script += """
                ip -n \(n) link add \(interface) type veth peer name eth0 netns \(name)
                ip -n \(n) link set \(interface) up
                ip -n \(n) addr add fe80::1:1/64 dev \(interface) nodad
                ip netns exec \(n) sysctl -qw net.ipv4.conf.\(interface).proxy_arp=1 net.ipv4.neigh.\(interface).proxy_delay=0
                ip -n \(n) route add 192.0.2.\(host)/32 dev \(interface)
                ip -n \(n) -6 route add 2001:db8:1::\(host)/128 dev \(interface)
                ip -n \(name) addr add 192.0.2.\(host)/32 dev eth0
                ip -n \(name) addr add 2001:db8:1::\(host)/128 dev eth0 nodad
                ip -n \(name) link set eth0 up
                ip -n \(name) route add 169.254.1.1 dev eth0 scope link
                ip -n \(name) route add default via 169.254.1.1
                ip -n \(name) -6 route add default via fe80::1:1 dev eth0

                """
        }
        try shell(script)
        // Link-local addresses and neighbours need a moment; afterwards the first packet of a test is not lost to them.
        for pod in [a, b] {
            for target in [
                Self.serverAddress, Self.server6Address, IPAddress(parsing: "198.51.100.1")!, IPAddress(parsing: "2001:db8:2::1")!,
            ] {
                let isReached = try waitUntil(seconds: 8) {
                    try inNamespace(pod) { Client.udp(Endpoint(target, 9)).echo(timeout: 0.2) == .refused(errno: ECONNREFUSED) }
                }
                guard isReached else { throw HarnessError("the test network does not work from \(pod) to \(target)") }
            }
        }
    }

    deinit {
        for name in [node, podA, podB, server] { _ = try? shell("ip netns del \(name)", mustSucceed: false) }
    }
}
