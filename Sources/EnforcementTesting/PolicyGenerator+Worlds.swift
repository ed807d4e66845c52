import DomainNames
import NetworkTypes
import PolicyModel

extension PolicyGenerator {
    /// A first set of resources, each key once, in any order; the tier `default` is among them.
    public mutating func world() -> [Resource] {
        var world: [Resource] = [.tier(.default)]
        for name in Self.tiers where name != Tier.defaultName && random.chance(60) { world.append(.tier(tier(name))) }
        let tiers = Self.tierNames(world)
        for number in 0..<Int.random(in: 2...6, using: &random) { world.append(.workloadEndpoint(workload(number))) }
        for number in 0..<Int.random(in: 0...2, using: &random) { world.append(.hostEndpoint(host(number))) }
        for name in Self.namespaces where random.chance(80) { world.append(.namespace(namespace(name))) }
        for namespace in Self.namespaces {
            for name in Self.accounts where random.chance(70) { world.append(.serviceAccount(account(name, namespace: namespace))) }
        }
        for name in Self.profiles where name != "missing" && !name.hasPrefix("ksa") && random.chance(name.contains("-") ? 10 : 50) {
            world.append(.profile(profile(name)))
        }
        for _ in 0..<(isCrowded ? 45 : Int.random(in: 0...4, using: &random)) { Self.put(.networkSet(anySet()), into: &world) }
        for _ in 0..<Int.random(in: 0...3, using: &random) { Self.put(.serviceEndpoints(anySlice()), into: &world) }
        if random.chance(40) { world.append(.felixConfiguration(felix())) }
        for _ in 0..<(isCrowded ? 60 : random.pick([0, 3, 6, 9, 14])) { Self.put(.policy(policy(tiers: tiers)), into: &world) }
        world.shuffle(using: &random)
        return world
    }

    /// The next set: one to three changes of any kind. `done` gets their names.
    public mutating func next(after previous: [Resource], _ done: inout [String]) -> [Resource] {
        var world = previous
        for _ in 0..<random.pick([1, 1, 1, 2, 3]) { done.append(change(&world)) }
        if random.chance(20) { world.shuffle(using: &random) }
        return world
    }

    private mutating func change(_ world: inout [Resource]) -> String {
        let tiers = Self.tierNames(world)
        if random.chance(25) {
            // Removals; a tier goes with its policies, the tier `default` stays.
            let removable = world.filter { if case .tier(let tier) = $0 { tier.name != Tier.defaultName } else { true } }
            guard !removable.isEmpty else { return "nothing" }
            let gone = random.pick(removable)
            world.removeAll { resource in
                if resource.key == gone.key { return true }
                if case .policy(let policy) = resource, case .tier(let tier) = gone { return policy.tier == tier.name }
                return false
            }
            return "removed \(gone.key.kind.rawValue)"
        }
        let made: Resource
        switch Int.random(in: 0..<22, using: &random) {
        case 0..<6: made = .policy(policy(tiers: tiers))
        case 6, 7, 8:
            let policies = world.compactMap { if case .policy(let policy) = $0 { policy } else { nil } }
            if policies.isEmpty { return "nothing" }
            made = .policy(mended(random.pick(policies), tiers: tiers))
        case 9, 10: made = .workloadEndpoint(workload(Int.random(in: 0..<6, using: &random)))
        case 11, 12:
            let workloads = world.compactMap { if case .workloadEndpoint(let workload) = $0 { workload } else { nil } }
            if workloads.isEmpty { return "nothing" }
            var workload = random.pick(workloads)
            switch Int.random(in: 0..<3, using: &random) {
            case 0: workload.labels = labels(Self.workloadLabels)
            case 1: workload.ports = namedPorts()
            default: workload.serviceAccount = random.chance(70) ? random.pick(Self.accounts) : nil
            }
            made = .workloadEndpoint(workload)
        case 13: made = .hostEndpoint(host(Int.random(in: 0..<2, using: &random)))
        case 14, 15: made = .networkSet(anySet())
        case 16: made = .profile(profile(random.pick(["open", "closed", "narrow", "kns.east", "missing"])))
        case 17: made = .namespace(namespace(random.pick(Self.namespaces)))
        case 18: made = .serviceAccount(account(random.pick(Self.accounts), namespace: random.pick(Self.namespaces)))
        case 19: made = .serviceEndpoints(anySlice())
        case 20: made = .felixConfiguration(felix())
        default: made = .tier(tier(random.pick(Self.tiers)))
        }
        let isNew = Self.put(made, into: &world)
        return "\(isNew ? "added" : "changed") \(made.key.kind.rawValue)"
    }

    /// The same policy with one thing other than before.
    private mutating func mended(_ policy: NetworkPolicy, tiers: [String]) -> NetworkPolicy {
        let other = self.policy(policy.kind, name: policy.name, namespace: policy.namespace, tiers: tiers)
        var policy = policy
        switch Int.random(in: 0..<10, using: &random) {
        case 9: policy.queryPolicy = other.queryPolicy
        case 0: policy.order = other.order
        case 1: policy.tier = other.tier
        case 2: policy.selector = other.selector
        case 3: policy.isExclusive.toggle()
        case 4: policy.impliesDefault.toggle()
        case 5: policy.stagedAction = other.stagedAction
        case 6 where policy.egress.count > 1: policy.egress.shuffle(using: &random)
        case 7 where !policy.egress.isEmpty: policy.egress.removeLast()
        default: (policy.egress, policy.deniesByName) = (other.egress, other.deniesByName)
        }
        return policy
    }

    private mutating func anySet() -> NetworkSet {
        networkSet(
            "set-\(Int.random(in: 0..<(isCrowded ? 40 : 3), using: &random))",
            namespace: random.chance(60) ? nil : random.pick(Self.namespaces))
    }

    private mutating func anySlice() -> ServiceEndpoints {
        slice("slice-\(Int.random(in: 0..<3, using: &random))", namespace: random.pick(Self.namespaces))
    }

    private static func tierNames(_ world: [Resource]) -> [String] {
        world.compactMap { if case .tier(let tier) = $0 { tier.name } else { nil } }.sorted()
    }

    /// Whether it was not there before.
    @discardableResult
    private static func put(_ resource: Resource, into world: inout [Resource]) -> Bool {
        if let place = world.firstIndex(where: { $0.key == resource.key }) {
            world[place] = resource
            return false
        }
        world.append(resource)
        return true
    }
}
