import DomainNames
import NetworkTypes
import PolicyModel

/// Policies, endpoints and flows in the sizes that the project holds itself to.
struct PolicyWorkload {
    /// Whom the policies select.
    enum Shape: CaseIterable {
        /// Those of one namespace that bear one label: a hundred policies for each endpoint.
        case byLabel
        /// Every endpoint.
        case everybody

        var text: String {
            switch self {
            case .byLabel: "each policy for the endpoints of one namespace with one label, at most ten policies to an endpoint"
            case .everybody: "every policy for every endpoint"
            }
        }
    }

    static let patternsPerPolicy = 5
    static let labelValues = 10

    let shape: Shape
    let policyCount: Int
    let endpointCount: Int

    /// A hundred for 10,000 policies, fewer for fewer, so that as many endpoints have policies.
    private var namespaces: Int { min(100, max(1, policyCount / 100)) }

    func resources() throws -> ResourceSet {
        ResourceSet(
            policies: try (0..<policyCount).map { try policy($0) },
            networkSets: try (0..<100).map { number in
                NetworkSet(
                    name: "set\(number)", labels: ["set": "\(number)"],
                    nets: [try Self.net(0xcb00_0000 + UInt32(number) << 8, 24)],
                    allowedEgressDomains: [try Self.pattern("set\(number).example.test")])
            },
            endpoints: (0..<endpointCount).map { endpoint($0, app: $0 / namespaces % Self.labelValues) })
    }

    /// Two rules by name (exact names and wildcards), one by network, one by label.
    func policy(_ number: Int, revision: Int = 0) throws -> NetworkPolicy {
        let namespace = number % namespaces
        let app = number / namespaces % Self.labelValues
        let revised = revision == 0 ? "" : "r\(revision)."
        let names = try (0..<Self.patternsPerPolicy).map {
            try Self.pattern($0 % 2 == 0 ? "\(revised)n\($0).p\(number).example.org" : "*.\(revised)n\($0).p\(number).example.net")
        }
        let tcp = TransportProtocol.tcp
        return NetworkPolicy(
            name: "p\(number)", namespace: shape == .byLabel ? "ns\(namespace)" : nil, order: Double(number / 10),
            selector: shape == .byLabel ? try Selector(parsing: "app == 'a\(app)'") : .all, types: [.egress],
            egress: [
                PolicyRule(
                    action: .allow, protocol: tcp,
                    destination: EntityRule(ports: [.range(PortRange(443))], domains: Array(names[..<3]))),
                PolicyRule(action: .allow, protocol: tcp, destination: EntityRule(domains: Array(names[3...]))),
                PolicyRule(
                    action: .allow, protocol: .udp,
                    destination: EntityRule(
                        nets: [try Self.net(Self.netOf(number), 28)], ports: [.range(PortRange(UInt16(1_000 + number % 50)))])),
                PolicyRule(
                    action: .allow, protocol: tcp,
                    destination: EntityRule(
                        selector: try Selector(parsing: "set == '\(number % 100)'"), ports: [.range(PortRange(8_443))])),
            ])
    }

    func endpoint(_ number: Int, app: Int) -> WorkloadEndpoint {
        WorkloadEndpoint(
            name: "pod\(number)", namespace: "ns\(number % namespaces)", uid: "u\(number)",
            labels: [
                "app": "a\(app)", "tier": "t\(number % 3)", "pod-template-hash": "h\(number)", "version": "v\(number % 7)",
                "team": "m\(number % 20)",
            ],
            addresses: [Self.address(number)], interfaceName: "cali\(number)", serviceAccount: "default")
    }

    /// Some endpoint that the policy selects.
    func endpoint(of policy: Int, using random: inout some RandomNumberGenerator) -> Int {
        switch shape {
        case .everybody: Int.random(in: 0..<endpointCount, using: &random)
        case .byLabel:
            // One of those with this namespace and label.
            policy % namespaces + policy / namespaces % Self.labelValues * namespaces
                + Int.random(in: 0..<max(1, endpointCount / namespaces / Self.labelValues), using: &random) * namespaces * Self.labelValues
        }
    }

    static func address(_ number: Int) -> IPAddress { IPAddress(v4: 0x0a41_0000 + UInt32(number)) }

    static func netOf(_ policy: Int) -> UInt32 { 0xac10_0000 + UInt32(policy) << 4 }

    private static func net(_ address: UInt32, _ length: Int) throws -> IPPrefix {
        guard let net = IPPrefix(IPAddress(v4: address), length: length) else { throw BenchError("no prefix") }
        return net
    }

    static func pattern(_ text: String) throws -> DomainPattern { try DomainPattern(parsing: text, dialect: .calico) }
}
