import DomainNames
import EnforcementTesting
import NetworkTypes
import PolicyEngine
import PolicyModel

/// Random resources over a small universe, so that everything meets everything, and random changes of them.
struct RandomResources {
    private(set) var random: SeededGenerator
    private(set) var resources: [ResourceKey: Resource] = [:]

    static let names = ["api.example.org", "www.example.org", "a.example.net", "b.a.example.net", "files.example.test"]
    private static let patterns = ["api.example.org", "*.example.org", "*.example.net", "files.example.test", "b.*.example.net"]
    private static let tiers = ["first", "second", Tier.defaultName]
    private static let namespaces = ["red", "blue"]
    private static let serviceNames = ["db", "web"]

    init(seed: UInt64) throws {
        random = SeededGenerator(seed: seed)
        for _ in 0..<30 { _ = try change() }
    }

    var set: ResourceSet {
        var set = ResourceSet()
        set.tiers = []
        for resource in resources.values.sorted(by: { $0.key.description < $1.key.description }) {
            switch resource {
            case .policy(let policy): set.policies.append(policy)
            case .tier(let tier): set.tiers.append(tier)
            case .networkSet(let networkSet): set.networkSets.append(networkSet)
            case .workloadEndpoint(let endpoint): set.endpoints.append(endpoint)
            case .hostEndpoint(let endpoint): set.hostEndpoints.append(endpoint)
            case .profile(let profile): set.profiles.append(profile)
            case .namespace(let namespace): set.namespaces.append(namespace)
            case .serviceAccount(let account): set.serviceAccounts.append(account)
            case .serviceEndpoints(let slice): set.serviceEndpoints.append(slice)
            case .felixConfiguration(let felix): set.felixConfigurations.append(felix)
            }
        }
        if !set.tiers.contains(where: { $0.name == Tier.defaultName }) { set.tiers.append(.default) }
        return set
    }

    /// Makes, changes or removes a few resources, and says what it did.
    mutating func change() throws -> ResourceChanges {
        var changes = ResourceChanges()
        for _ in 0..<random.pick([1, 1, 1, 2, 5]) {
            let resource = try make()
            guard !changes.upserts.contains(where: { $0.key == resource.key }), !changes.removals.contains(resource.key) else { continue }
            if resources[resource.key] != nil, random.chance(30) {
                // Tiers stay while policies may be in them.
                if case .tier = resource { continue }
                resources[resource.key] = nil
                changes.removals.append(resource.key)
            } else {
                resources[resource.key] = resource
                changes.upserts.append(resource)
            }
        }
        for name in Self.tiers where resources[ResourceKey(.tier, name: name)] == nil {
            let tier = Resource.tier(Tier(name: name, order: 10))
            resources[tier.key] = tier
            changes.upserts.append(tier)
        }
        return changes
    }

    private mutating func make() throws -> Resource {
        switch Int.random(in: 0..<20, using: &random) {
        case 0:
            return .tier(
                Tier(name: random.pick(Self.tiers), order: random.pick([nil, 1, 2, 3]), defaultAction: random.pick([.deny, .deny, .pass])))
        case 1...2: return .networkSet(try networkSet())
        case 3...6: return .workloadEndpoint(endpoint())
        case 7:
            let number = Int.random(in: 0..<2, using: &random)
            return .hostEndpoint(
                HostEndpoint(
                    name: "h\(number)", labels: labels(), expectedIPs: [IPAddress(v4: 0xc633_64f0 + UInt32(number))],
                    profiles: random.pick([[], ["p"]]), ports: ports()))
        case 8: return .profile(Profile(name: random.pick(["p", "q"]), labelsToApply: labels(), egress: try rules(namespace: nil, max: 3)))
        case 9: return .namespace(Namespace(name: random.pick(Self.namespaces), labels: ["color": random.pick(["x", "y"])]))
        case 10: return .serviceAccount(ServiceAccount(name: "s", namespace: random.pick(Self.namespaces), labels: labels()))
        case 11:
            return .serviceEndpoints(
                ServiceEndpoints(
                    name: "slice\(Int.random(in: 0..<3, using: &random))", namespace: random.pick(Self.namespaces),
                    service: random.pick(Self.serviceNames), addresses: [destination(), destination()],
                    ports: [NamedPort(name: "", protocol: .tcp, port: random.pick([80, 443]))]))
        default: return .policy(try policy())
        }
    }

    private mutating func labels() -> [String: String] {
        var labels: [String: String] = [:]
        for label in ["app", "role"] where random.chance(70) { labels[label] = random.pick(["x", "y"]) }
        return labels
    }

    private mutating func ports() -> [NamedPort] {
        random.chance(50) ? [] : [NamedPort(name: "http", protocol: .tcp, port: random.pick([80, 443]))]
    }

    private mutating func endpoint() -> WorkloadEndpoint {
        let number = Int.random(in: 0..<8, using: &random)
        return WorkloadEndpoint(
            name: "e\(number)", namespace: Self.namespaces[number % 2], uid: random.chance(10) ? "other" : nil, labels: labels(),
            addresses: [IPAddress(v4: 0xc633_6400 + UInt32(number)), IPAddress(v6Upper: 0x2001_0db8_0000_0000, lower: UInt64(number))],
            interfaceName: "cali\(number)", serviceAccount: random.pick([nil, "s"]),
            profiles: random.pick([[], [], ["p"], ["kns.red"], ["q", "p"], ["gone"]]),
            ports: ports())
    }

    private mutating func networkSet() throws -> NetworkSet {
        NetworkSet(
            name: "n\(Int.random(in: 0..<4, using: &random))", namespace: random.pick([nil, "red"]), labels: labels(),
            nets: (0..<random.pick([0, 1, 2])).compactMap { _ in net() },
            allowedEgressDomains: try random.chance(50) ? [pattern()] : [],
            allowedEgressURLs: try random.chance(20) ? [DomainURL(pattern: pattern(), port: 443)] : [], isExclusive: random.chance(8))
    }

    private mutating func pattern() throws -> DomainPattern { try DomainPattern(parsing: random.pick(Self.patterns), dialect: .calico) }

    private mutating func net() -> IPPrefix? {
        let address = destination()
        return IPPrefix(address, length: address.family == .v4 ? random.pick([0, 24, 28, 30, 31, 32]) : random.pick([0, 64, 126, 128]))
    }

    mutating func destination() -> IPAddress {
        switch Int.random(in: 0..<6, using: &random) {
        case 0: IPAddress(v4: 0xc633_6400 + UInt32.random(in: 0..<8, using: &random))
        case 1: IPAddress(v6Upper: 0x2001_0db8_0000_0000, lower: UInt64.random(in: 0..<16, using: &random))
        default: IPAddress(v4: 0xc000_0200 + UInt32.random(in: 0..<16, using: &random))
        }
    }

    private mutating func selector() throws -> Selector {
        try Selector(
            parsing: random.pick([
                "all()", "app == 'x'", "app == 'y'", "role in {'x'}", "has(role) && app != 'y'", "!has(app)", "app == 'x' || role == 'y'",
                "role not in {'y'}", "!(app == 'x' && has(role))", "projectcalico.org/namespace == 'red'", "app starts with 'x'",
            ]))
    }

    private mutating func rulePorts() -> [RulePort] {
        (0..<random.pick([1, 1, 2])).compactMap { _ in
            switch Int.random(in: 0..<5, using: &random) {
            case 0: .named("http")
            case 1: PortRange(70, 90).map { .range($0) }
            default: .range(PortRange(random.pick([53, 80, 443])))
            }
        }
    }

    private mutating func rules(namespace: String?, max: Int, named: Bool = false) throws -> [PolicyRule] {
        var rules: [PolicyRule] = []
        for _ in 0..<Int.random(in: 0...max, using: &random) { rules.append(try rule(namespace: namespace, deniesByName: named)) }
        return rules
    }

    private mutating func rule(namespace: String?, deniesByName: Bool) throws -> PolicyRule {
        var rule = PolicyRule(action: random.pick([.allow, .allow, .allow, .deny, .pass, .log]))
        rule.protocol = random.pick([nil, .tcp, .tcp, .udp, .icmp])
        if rule.protocol == nil, random.chance(20) { rule.notProtocol = random.pick([.tcp, .udp]) }
        if random.chance(10) { rule.ipVersion = random.pick([.v4, .v6]) }
        switch Int.random(in: 0..<8, using: &random) {
        case 0, 1: if rule.action == .allow || deniesByName { rule.destination.domains = [try pattern(), try pattern()] }
        case 2: rule.destination.nets = [net(), net()].compactMap { $0 }
        case 3: rule.destination.nets = [net()].compactMap { $0 }
        case 4: rule.destination.selector = try selector()
        case 5 where rule.protocol == nil || rule.protocol == .tcp:
            rule.destination.services = ServiceMatch(name: random.pick(Self.serviceNames), namespace: namespace ?? "red")
            rule.protocol = nil
            return rule
        case 6 where (rule.action == .allow || deniesByName) && rule.protocol != .udp && rule.protocol != .icmp:
            rule.destination.urls = [
                DomainURL(pattern: try pattern(), port: 443), DomainURL(pattern: try pattern(), port: random.pick([80, 443])),
            ]
            if random.chance(30) { rule.destination.domains = [try pattern()] }
            return rule
        default: break
        }
        if random.chance(15) { rule.destination.notNets = [net()].compactMap { $0 } }
        if random.chance(15) { rule.destination.notSelector = try selector() }
        if random.chance(10) {
            rule.destination.namespaceSelector = try Selector(parsing: random.pick(["color == 'x'", "global()", "all()"]))
        }
        if random.chance(10) { rule.destination.serviceAccounts = ServiceAccountMatch(names: ["s"]) }
        if rule.protocol == .tcp || rule.protocol == .udp {
            if random.chance(50) { rule.destination.ports = rulePorts() }
            if random.chance(15) { rule.destination.notPorts = rulePorts() }
            if random.chance(10) { rule.source.ports = rulePorts() }
            if random.chance(10) { rule.source.notPorts = rulePorts() }
        }
        if rule.protocol == .icmp, random.chance(60) {
            let match = ICMPMatch(type: random.pick([0, 8]), code: random.pick([nil, 0]))
            if random.chance(50) { rule.icmp = match } else { rule.notICMP = match }
        }
        if random.chance(15) { rule.source.selector = try selector() }
        if random.chance(10) { rule.source.notSelector = try selector() }
        if random.chance(10) { rule.source.nets = [IPPrefix(IPAddress(v4: 0xc633_6400), length: 30)].compactMap { $0 } }
        return rule
    }

    private mutating func policy() throws -> NetworkPolicy {
        let namespace = random.pick([nil, nil, "red", "blue"])
        let isStaged = random.chance(15)
        let deniesByName = random.chance(30)
        let kind: ResourceKind =
            switch (namespace, isStaged) {
            case (nil, false): .globalNetworkPolicy
            case (nil, true): .stagedGlobalNetworkPolicy
            case (_, false): .networkPolicy
            case (_, true): .stagedNetworkPolicy
            }
        return NetworkPolicy(
            name: "p\(Int.random(in: 0..<9, using: &random))", kind: kind, namespace: namespace, tier: random.pick(Self.tiers),
            order: random.pick([nil, 1, 2, 3, 1.5]), selector: try selector(),
            namespaceSelector: namespace == nil && random.chance(10) ? try Selector(parsing: "color == 'x'") : nil,
            types: random.pick([[.egress], [.egress], [.ingress, .egress], [.ingress]]),
            egress: try rules(namespace: namespace, max: 4, named: deniesByName),
            stagedAction: isStaged ? random.pick([.set, .set, .delete, .learn, .ignore]) : nil, impliesDefault: random.chance(85),
            isExclusive: random.chance(10), deniesByName: deniesByName)
    }

    mutating func flow(from endpoint: CompiledEndpoint) -> FlowTuple {
        let destination = destination()
        let transport: TransportProtocol = random.pick([.tcp, .tcp, .udp, .icmp, TransportProtocol(rawValue: 4)])
        let source = endpoint.addresses.first { $0.family == destination.family } ?? endpoint.addresses[0]
        return FlowTuple(
            source: source, destination: destination, transport: transport, sourcePort: transport.hasPorts ? random.pick([80, 40_000]) : 0,
            destinationPort: transport.hasPorts ? random.pick([53, 80, 443, 75, 4789, 6443]) : 0,
            icmpType: transport == .icmp ? random.pick([0, 8]) : 0, icmpCode: transport == .icmp ? random.pick([0, 1]) : 0)
    }

    mutating func held() throws -> [DomainName] {
        guard random.chance(60) else { return [] }
        return try (0..<random.pick([1, 1, 2])).map { _ in try DomainName(parsing: random.pick(Self.names)) }
    }

    mutating func pick(_ count: Int) -> Int { Int.random(in: 0..<count, using: &random) }
}
