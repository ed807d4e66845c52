import NetworkTypes
import PolicyModel
import Testing

struct ServiceReferenceTests {
    @Test(arguments: [
        ("k8s-service:kube-dns", "k8s-service:kube-system/kube-dns"), ("k8s-service:dns/coredns", "k8s-service:dns/coredns"),
        ("k8s-service:dns/coredns:5353", "k8s-service:dns/coredns:5353"),
        ("k8s-service:kube-dns:53", "k8s-service:kube-system/kube-dns:53"),
        ("k8s-service:", nil), ("k8s-service:/kube-dns", nil), ("k8s-service:dns/", nil), ("k8s-service:a/b/c", nil),
        ("k8s-service:a:0", nil),
        ("k8s-service:a:65536", nil), ("k8s-service:a:", nil), ("k8s-service:a:+5", nil), ("k8s-service:A b", nil), ("K8S-service:a", nil),
        ("192.0.2.53", nil), ("service:a", nil),
    ])
    func `a service is named as Calico names it`(text: String, canonical: String?) {
        #expect(ServiceReference(parsing: text)?.description == canonical)
    }

    private static func slice(
        _ name: String, _ addresses: [String], _ ports: [(String, TransportProtocol, UInt16)], of service: String = "kube-dns",
        in namespace: String = "kube-system"
    ) -> ServiceEndpoints {
        ServiceEndpoints(
            name: name, namespace: namespace, service: service, addresses: addresses.compactMap { IPAddress(parsing: $0) },
            ports: ports.map { NamedPort(name: $0.0, protocol: $0.1, port: $0.2) })
    }

    @Test func `its servers are the addresses of its slices, on the port of DNS over UDP`() throws {
        let slices = [
            Self.slice("b", ["192.0.2.3", "192.0.2.2"], [("dns-tcp", .tcp, 1053), ("dns", .udp, 1053), ("metrics", .udp, 9153)]),
            Self.slice("a", ["2001:db8::2"], [("whatever", .udp, 5353), ("dns-tcp", .tcp, 54)]),
            Self.slice("c", ["192.0.2.4", "192.0.2.4"], [("metrics", .tcp, 9153)]),
            Self.slice("d", ["192.0.2.5"], [], of: "other"), Self.slice("e", ["192.0.2.6"], [], in: "default"),
        ]
        func servers(_ text: String) throws -> [String] {
            try #require(ServiceReference(parsing: text)).servers(in: slices).map { "\($0.address) \($0.port)" }
        }
        #expect(try servers("k8s-service:kube-dns") == ["2001:db8::2 5353", "192.0.2.3 1053", "192.0.2.2 1053", "192.0.2.4 53"])
        #expect(try servers("k8s-service:kube-dns:55") == ["2001:db8::2 55", "192.0.2.3 55", "192.0.2.2 55", "192.0.2.4 55"])
        #expect(try servers("k8s-service:default/kube-dns") == ["192.0.2.6 53"])
        #expect(try servers("k8s-service:none/kube-dns") == [])

        var felix = FelixConfiguration()
        felix.dnsTrustedServers = ["198.51.100.53", "k8s-service:kube-dns", "k8s-service:none/kube-dns"]
        var set = ResourceSet()
        set.serviceEndpoints = slices
        set.felixConfigurations = [felix, FelixConfiguration(name: "node.a")]
        let found = set.withTrustedServersOfServices().felixConfigurations
        #expect(
            found[0].dnsTrustedServers == ["198.51.100.53", "[2001:db8::2]:5353", "192.0.2.3:1053", "192.0.2.2:1053", "192.0.2.4:53"])
        #expect(found[1].dnsTrustedServers == nil)
    }
}
