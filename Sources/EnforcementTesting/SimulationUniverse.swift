import DomainNames
import NetworkTypes
import PolicyModel

/// The few names, addresses, labels and policies of which random worlds are made: few, so that they meet.
struct SimulationUniverse {
    let names: [DomainName]
    let addresses: [IPAddress]
    /// What no name from outside may point at.
    let insideAddresses = [IPAddress(v4: 0xa9fe_a9fe), IPAddress(v4: 0x0a00_0009), IPAddress(v6Upper: 0xfd00_0000_0000_0000, lower: 1)]
    private let patterns: [DomainPattern]

    private static let nameTexts = [
        "api.example.org", "www.example.org", "example.org", "a.cdn.example.net", "b.cdn.example.net", "deep.a.cdn.example.net",
        "cdn.example.net", "files.example.test", "evil.example.test", "x.y.example.test", "www.shop.example.test",
    ]
    private static let patternTexts = [
        "api.example.org", "*.example.org", "*.cdn.example.net", "files.example.test", "*.example.test", "www.*.example.test",
        "example.org",
    ]

    init(_ random: inout SeededGenerator) {
        // The texts are constants that the unit tables prove valid.
        names = Self.nameTexts.compactMap { try? DomainName(parsing: $0) }
        patterns = Self.patternTexts.compactMap { try? DomainPattern(parsing: $0, dialect: .calico) }
        precondition(names.count == Self.nameTexts.count && patterns.count == Self.patternTexts.count, "constants of the simulation")
        addresses =
            (1...9).map { IPAddress(v4: 0xc000_0200 + UInt32($0)) }
            + (1...3).map { IPAddress(v6Upper: 0x2001_0db8_0000_0000, lower: UInt64($0)) }
        _ = random.next()
    }

    /// The next state of all resources: mostly a small change of the last.
    func resources(_ random: inout SeededGenerator, previous: ResourceSet) -> ResourceSet {
        var next = previous
        if previous.endpoints.isEmpty || random.chance(15) {
            next.endpoints = (0..<5).map { endpoint($0, &random) }
            next.tiers = [
                Tier(name: "first", order: 10, defaultAction: random.chance(70) ? .pass : .deny), .default,
            ]
            next.networkSets = (0..<2).map { networkSet($0, &random) }
            next.policies = (0..<4).map { policy($0, &random) }
            return next
        }
        switch Int.random(in: 0..<7, using: &random) {
        case 0:
            let added = policy(Int.random(in: 0..<1_000, using: &random) + 10, &random)
            if !next.policies.contains(where: { $0.name == added.name }) { next.policies.append(added) }
        case 1 where next.policies.count > 1: next.policies.remove(at: Int.random(in: 0..<next.policies.count, using: &random))
        case 2:
            let position = Int.random(in: 0..<next.endpoints.count, using: &random)
            next.endpoints[position].labels = labels(&random)
        case 3 where next.endpoints.count > 2: next.endpoints.remove(at: Int.random(in: 0..<next.endpoints.count, using: &random))
        case 4:
            let missing = (0..<5).first { number in !next.endpoints.contains { $0.interfaceName == "cali\(number)" } }
            if let missing { next.endpoints.append(endpoint(missing, &random)) }
        case 5:
            // Another pod with the address of one that is gone.
            let position = Int.random(in: 0..<next.endpoints.count, using: &random)
            let number = next.endpoints[position].interfaceName.last?.wholeNumberValue ?? 0
            next.endpoints[position] = endpoint(number, &random)
        default: next.networkSets = (0..<2).map { networkSet($0, &random) }
        }
        return next
    }

    private func labels(_ random: inout SeededGenerator) -> [String: String] {
        ["app": random.pick(["shop", "batch", "db"]), "tier": random.pick(["front", "back"])]
    }

    private func endpoint(_ number: Int, _ random: inout SeededGenerator) -> WorkloadEndpoint {
        WorkloadEndpoint(
            name: "pod-\(number)-\(Int.random(in: 0..<3, using: &random))", namespace: number == 4 ? "other" : "default",
            labels: labels(&random),
            addresses: [
                IPAddress(v4: 0xc633_6400 + UInt32(number) + 1), IPAddress(v6Upper: 0x2001_0db8_0000_0064, lower: UInt64(number) + 1),
            ], interfaceName: "cali\(number)")
    }

    private func networkSet(_ number: Int, _ random: inout SeededGenerator) -> NetworkSet {
        NetworkSet(
            name: "set-\(number)", labels: ["set": "\(number)"],
            nets: random.chance(50) ? [IPPrefix(random.pick(addresses))] : [],
            allowedEgressDomains: (0..<Int.random(in: 0...2, using: &random)).map { _ in random.pick(patterns) })
    }

    private func policy(_ number: Int, _ random: inout SeededGenerator) -> NetworkPolicy {
        let selector = random.pick(["all()", "app == 'shop'", "app in {'shop', 'batch'}", "has(tier) && tier != 'back'", "app != 'db'"])
        let isGlobal = random.chance(70)
        return NetworkPolicy(
            name: "policy-\(number)", namespace: isGlobal ? nil : "default", tier: random.chance(25) ? "first" : Tier.defaultName,
            order: random.chance(90) ? Double(Int.random(in: 1...50, using: &random)) : nil,
            selector: (try? Selector(parsing: selector)) ?? .all, types: [.egress],
            egress: (0..<Int.random(in: 1...3, using: &random)).map { _ in rule(&random) })
    }

    private func rule(_ random: inout SeededGenerator) -> PolicyRule {
        var destination = EntityRule.any
        var action = random.pick([RuleAction.allow, .allow, .allow, .deny, .pass, .log])
        switch Int.random(in: 0..<5, using: &random) {
        case 0, 1:
            destination.domains = (0..<Int.random(in: 1...2, using: &random)).map { _ in random.pick(patterns) }
            action = .allow
        case 2: destination.nets = [IPPrefix(random.pick(addresses.filter { $0.family == .v4 }), length: 29) ?? IPPrefix(addresses[0])]
        case 3: destination.selector = try? Selector(parsing: random.pick(["set == '0'", "has(set)", "app == 'db'"]))
        default: break
        }
        if random.chance(40) { destination.ports = [.range(PortRange(443))] }
        let hasPorts = !destination.ports.isEmpty
        return PolicyRule(action: action, protocol: hasPorts || random.chance(30) ? .tcp : nil, destination: destination)
    }
}
