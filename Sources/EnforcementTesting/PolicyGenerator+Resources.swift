import DomainNames
import NetworkTypes
import PolicyModel

extension PolicyGenerator {
    mutating func tier(_ name: String) -> Tier {
        switch name {
        case Tier.defaultName: return .default
        case "kube-admin": return Tier(name: name, order: 1_000, defaultAction: .pass)
        case "kube-baseline": return Tier(name: name, order: 10_000_000, defaultAction: .pass)
        default:
            return Tier(
                name: name, order: random.chance(20) ? nil : random.pick([100, 100, 500, 2_000_000]),
                defaultAction: random.pick([.deny, .pass]))
        }
    }

    mutating func networkSet(_ name: String, namespace: String?) -> NetworkSet {
        var set = NetworkSet(
            name: name, namespace: namespace, labels: labels(Self.setLabels),
            nets: some(Self.prefixes(.v4) + Self.prefixes(.v6), isCrowded ? 2...7 : 0...2).filter { $0.length > 0 || random.chance(20) },
            allowedEgressDomains: random.chance(60) ? patterns(dialect(), 1...3) : [],
            allowedEgressURLs: random.chance(20) ? urls(1...2) : [], isExclusive: random.chance(12))
        if isCrowded { set.labels["set"] = name }
        return set
    }

    mutating func workload(_ number: Int) -> WorkloadEndpoint {
        let namespace = random.pick(Self.namespaces)
        let orchestrator: String? = random.chance(20) ? "cni" : nil
        return WorkloadEndpoint(
            name: "pod-\(number)", namespace: number % 2 == 0 ? Self.namespaces[0] : Self.namespaces[1],
            uid: random.chance(40) ? random.pick(["u1", "u2"]) : nil, labels: labels(Self.workloadLabels), addresses: addresses(number),
            interfaceName: "cali\(number)", orchestrator: orchestrator,
            serviceAccount: random.chance(60) ? random.pick(Self.accounts) : nil,
            profiles: random.chance(30) ? [] : random.chance(40) ? ["kns.\(namespace)"] : some(Self.profiles, 1...3), ports: namedPorts())
    }

    mutating func host(_ number: Int) -> HostEndpoint {
        HostEndpoint(
            name: "host-\(number)", labels: labels(Self.workloadLabels), node: "node",
            interfaceName: random.chance(50) ? "eth\(number)" : nil,
            expectedIPs: addresses(number + 6), profiles: random.chance(50) ? [] : some(Self.profiles, 1...2), ports: namedPorts())
    }

    /// Both families, or one of them: place `number` of the universe, so that no two endpoints share one.
    private mutating func addresses(_ number: Int) -> [IPAddress] {
        let both = [Self.endpointAddresses[number], Self.endpointAddresses[number + 8]]
        return random.chance(80) ? both : [random.pick(both)]
    }

    mutating func namedPorts() -> [NamedPort] {
        (0..<Int.random(in: 0...3, using: &random)).map { _ in
            NamedPort(
                name: random.pick(Self.portNames), protocol: random.pick([.tcp, .tcp, .udp, .sctp]),
                port: random.pick([53, 80, 443, 8_080]))
        }
    }

    mutating func profile(_ name: String) -> Profile {
        Profile(
            name: name, labelsToApply: random.chance(50) ? labels(Self.workloadLabels.merging(Self.setLabels) { first, _ in first }) : [:],
            egress: (0..<Int.random(in: 0...3, using: &random)).map { _ in rule(RulePlace(isProfile: true)) })
    }

    mutating func namespace(_ name: String) -> Namespace { Namespace(name: name, labels: labels(Self.namespaceLabels)) }

    mutating func account(_ name: String, namespace: String) -> ServiceAccount {
        ServiceAccount(name: name, namespace: namespace, labels: labels(Self.namespaceLabels))
    }

    mutating func slice(_ name: String, namespace: String) -> ServiceEndpoints {
        ServiceEndpoints(
            name: name, namespace: namespace, service: random.pick(Self.services),
            addresses: some(Self.endpointAddresses + Self.outsideAddresses, 0...8),
            ports: (0..<Int.random(in: 0...4, using: &random)).map { _ in
                NamedPort(name: "p", protocol: random.pick([.tcp, .tcp, .udp]), port: random.pick([80, 443, 8_080]))
            })
    }

    mutating func felix() -> FelixConfiguration {
        var felix = FelixConfiguration()
        if random.chance(60) {
            felix.failsafeOutboundHostPorts = (0..<Int.random(in: 0...2, using: &random)).map { _ in
                FelixConfiguration.FailsafePort(
                    protocol: random.pick([.tcp, .udp]), port: random.pick(Self.ports),
                    net: random.chance(40) ? random.pick(Self.prefixes(.v4)) : nil)
            }
        }
        if random.chance(50) { felix.vxlanPort = random.pick([4_789, 8_472, 53]) }
        return felix
    }
}
