import DomainNames
import NetworkTypes
import PolicyModel

/// Gathers the flat tables of one compilation.
struct PolicyTableBuilder {
    private struct OrderedPolicy {
        let policy: NetworkPolicy
        let selector: Selector
        /// Rules look at labels of their source, so they are compiled for each endpoint anew.
        let looksAtSource: Bool
    }

    private struct Block {
        let firstRule: Int
        let ruleCount: Int
        let selectors: [SelectorNumber]
        let fingerprint: UInt64
    }

    private(set) var numbers: [[String]: SelectorNumber]
    private(set) var next: SelectorNumber
    private var selectorPatterns: [SelectorNumber: [DomainPattern]] = [:]

    private let tiers: [(tier: Tier, policies: [OrderedPolicy])]
    private let labelled: [LabelledAddresses]
    private var blocks: [String: Block] = [:]
    private var tierDescriptions: [String: UInt32] = [:]

    private var endpoints: [CompiledEndpoint] = []
    private var steps: [PolicyStep] = []
    private var rules: [CompiledRule] = []
    private var ranges: [AddressRange] = []
    private var ports: [PortRange] = []
    private var descriptions: [RuleDescription] = []

    private let unselectedAllowed: Bool

    init(resources: ResourceSet, unselectedAllowed: Bool, numbers: [[String]: SelectorNumber], next: SelectorNumber) {
        self.unselectedAllowed = unselectedAllowed
        self.numbers = numbers
        self.next = next
        labelled = resources.endpoints.map(LabelledAddresses.init) + resources.networkSets.map(LabelledAddresses.init)
        // By order, those without order last; ties by name.
        let ordered = resources.tiers.sorted {
            let (left, right) = ($0.order ?? .infinity, $1.order ?? .infinity)
            return left != right ? left < right : $0.name < $1.name
        }
        tiers = ordered.map { tier in
            let members = resources.policies.filter { $0.tier == tier.name && $0.types.contains(.egress) }.sorted(by: Self.precedes)
            return (
                tier,
                members.map { policy in
                    OrderedPolicy(
                        policy: policy, selector: policy.effectiveSelector,
                        looksAtSource: policy.egress.contains {
                            $0.source.selector != nil || $0.source.notSelector != nil || $0.source.namespaceSelector != nil
                        })
                }
            )
        }
    }

    /// By order, those without order last; ties by name (docs.tigera.io, "Network policy": order).
    private static func precedes(_ left: NetworkPolicy, _ right: NetworkPolicy) -> Bool {
        let (leftOrder, rightOrder) = (left.order ?? .infinity, right.order ?? .infinity)
        return leftOrder != rightOrder ? leftOrder < rightOrder : left.identity < right.identity
    }

    mutating func add(_ workload: WorkloadEndpoint, id: EndpointID) {
        let labels = workload.effectiveLabels
        let firstStep = steps.count
        var selectors: Set<SelectorNumber> = []
        var hash = StableHash()
        for (tier, policies) in tiers {
            let selecting = policies.filter { $0.selector.matches(labels) }
            guard !selecting.isEmpty else { continue }
            let tierStart = steps.count
            for ordered in selecting {
                let block = block(for: ordered, source: workload, labels: labels)
                steps.append(
                    PolicyStep(
                        kind: .policy, firstRule: UInt32(block.firstRule), ruleCount: UInt32(block.ruleCount), stepsToNextTier: 0,
                        description: 0))
                selectors.formUnion(block.selectors)
                hash.combine(block.fingerprint)
            }
            for position in tierStart..<steps.count { steps[position].stepsToNextTier = UInt32(steps.count - position + 1) }
            let passes = tier.defaultAction == .pass
            steps.append(
                PolicyStep(
                    kind: passes ? .tierPass : .tierDeny, firstRule: 0, ruleCount: 0, stepsToNextTier: 1,
                    description: tierDescription(tier)))
            hash.combine(tier.name)
            hash.combine(byte: passes ? 1 : 2)
        }
        // What happens to an endpoint without policy is its policy.
        if steps.count == firstStep { hash.combine(byte: unselectedAllowed ? 3 : 4) }
        endpoints.append(
            CompiledEndpoint(
                id: id, identity: workload.identity, namespace: workload.namespace, name: workload.name, labels: workload.labels,
                addresses: workload.addresses, interfaceName: workload.interfaceName, isPoliced: steps.count > firstStep,
                selectors: selectors.sorted(), fingerprint: hash.value, firstStep: firstStep, stepCount: steps.count - firstStep))
    }

    func finish(version: UInt32) -> CompiledPolicy {
        var trie = DomainTrie.Builder()
        for (number, patterns) in selectorPatterns {
            for pattern in patterns { trie.insert(pattern, number: number) }
        }
        return CompiledPolicy(
            version: version, endpoints: endpoints, domains: trie.freeze(), descriptions: descriptions,
            unselectedAllowed: unselectedAllowed, steps: steps, rules: rules, ranges: ranges, ports: ports,
            selectorPatterns: selectorPatterns)
    }

    private mutating func tierDescription(_ tier: Tier) -> UInt32 {
        if let known = tierDescriptions[tier.name] { return known }
        let number = UInt32(descriptions.count)
        descriptions.append(
            RuleDescription(
                tier: tier.name, policy: "", rule: nil, action: tier.defaultAction == .pass ? "Pass" : "Deny", location: tier.location))
        tierDescriptions[tier.name] = number
        return number
    }

    private mutating func block(for ordered: OrderedPolicy, source: WorkloadEndpoint, labels: [String: String]) -> Block {
        let policy = ordered.policy
        let key = ordered.looksAtSource ? "\(policy.identity) for \(source.identity)" : policy.identity
        if let known = blocks[key] { return known }
        let firstRule = rules.count
        var selectors: [SelectorNumber] = []
        var hash = StableHash()
        hash.combine(policy.identity)
        for (position, rule) in policy.egress.enumerated() {
            if let selector = rule.source.effectiveSelector(policyNamespace: policy.namespace), !selector.matches(labels) { continue }
            if let notSelector = rule.source.notSelector, notSelector.matches(labels) { continue }
            var compiled = compile(rule, policy: policy, hash: &hash)
            compiled.description = UInt32(descriptions.count)
            descriptions.append(
                RuleDescription(
                    tier: policy.tier, policy: policy.identity, rule: position, action: rule.action.rawValue, location: rule.location))
            for number in [compiled.domainSelector, compiled.selectedDomainSelector, compiled.notSelectedDomainSelector] where number != 0 {
                selectors.append(number)
            }
            rules.append(compiled)
        }
        let block = Block(firstRule: firstRule, ruleCount: rules.count - firstRule, selectors: selectors, fingerprint: hash.value)
        blocks[key] = block
        return block
    }

    private mutating func compile(_ rule: PolicyRule, policy: NetworkPolicy, hash: inout StableHash) -> CompiledRule {
        var compiled = CompiledRule()
        switch rule.action {
        case .allow: compiled.action = .allow
        case .deny: compiled.action = .deny
        case .pass: compiled.action = .pass
        case .log: compiled.action = .log
        }
        compiled.family = rule.ipVersion?.rawValue ?? 0
        compiled.transport = rule.protocol?.rawValue ?? 0
        compiled.notTransport = rule.notProtocol?.rawValue ?? 0
        for number in [compiled.action.rawValue, compiled.family, compiled.transport, compiled.notTransport] { hash.combine(byte: number) }

        let destination = rule.destination
        if !destination.nets.isEmpty { compiled.nets = add(destination.nets, .nets, to: &compiled.conditions, &hash) }
        if !destination.notNets.isEmpty { compiled.notNets = add(destination.notNets, .notNets, to: &compiled.conditions, &hash) }
        if !destination.ports.isEmpty { compiled.ports = add(destination.ports, .ports, to: &compiled.conditions, &hash) }
        if !destination.notPorts.isEmpty { compiled.notPorts = add(destination.notPorts, .notPorts, to: &compiled.conditions, &hash) }
        if let selector = destination.effectiveSelector(policyNamespace: policy.namespace) {
            let selected = labelled.filter { selector.matches($0.labels) }
            compiled.selected = add(selected.flatMap(\.prefixes), .selected, to: &compiled.conditions, &hash)
            // Names of a set count for Allow only (docs.tigera.io, GlobalNetworkSet: allowedEgressDomains).
            if rule.action == .allow { compiled.selectedDomainSelector = number(for: selected.flatMap(\.domains), &hash) }
        }
        if let notSelector = destination.notSelector {
            let selected = labelled.filter { notSelector.matches($0.labels) }
            compiled.notSelected = add(selected.flatMap(\.prefixes), .notSelected, to: &compiled.conditions, &hash)
            // As above: a name exempts nothing from a Deny.
            if rule.action == .allow { compiled.notSelectedDomainSelector = number(for: selected.flatMap(\.domains), &hash) }
        }
        if !destination.domains.isEmpty {
            compiled.conditions.insert(.domains)
            hash.combine(UInt64(CompiledRule.Conditions.domains.rawValue))
            compiled.domainSelector = number(for: destination.domains, &hash)
        }

        let source = rule.source
        if !source.nets.isEmpty { compiled.sourceNets = add(source.nets, .sourceNets, to: &compiled.conditions, &hash) }
        if !source.notNets.isEmpty { compiled.sourceNotNets = add(source.notNets, .sourceNotNets, to: &compiled.conditions, &hash) }
        if !source.ports.isEmpty { compiled.sourcePorts = add(source.ports, .sourcePorts, to: &compiled.conditions, &hash) }
        if !source.notPorts.isEmpty { compiled.sourceNotPorts = add(source.notPorts, .sourceNotPorts, to: &compiled.conditions, &hash) }
        // The end is marked, as every list is by its count: different rules cannot give the same bytes.
        hash.combine(UInt64(0))
        return compiled
    }

    private mutating func add(
        _ prefixes: [IPPrefix], _ condition: CompiledRule.Conditions, to conditions: inout CompiledRule.Conditions, _ hash: inout StableHash
    ) -> CompiledRule.Slice {
        let added = AddressRange.disjoint(prefixes)
        conditions.insert(condition)
        hash.combine(UInt64(condition.rawValue))
        hash.combine(UInt64(added.count))
        for range in added {
            for address in [range.first, range.last] {
                hash.combine(byte: address.family.rawValue)
                hash.combine(address.upper)
                hash.combine(address.lower)
            }
        }
        var slice = CompiledRule.Slice()
        slice.start = UInt32(ranges.count)
        slice.count = UInt32(added.count)
        ranges += added
        return slice
    }

    private mutating func add(
        _ added: [PortRange], _ condition: CompiledRule.Conditions, to conditions: inout CompiledRule.Conditions, _ hash: inout StableHash
    ) -> CompiledRule.Slice {
        conditions.insert(condition)
        hash.combine(UInt64(condition.rawValue))
        hash.combine(UInt64(added.count))
        for range in added { hash.combine(UInt64(range.lower) << 16 | UInt64(range.upper)) }
        var slice = CompiledRule.Slice()
        slice.start = UInt32(ports.count)
        slice.count = UInt32(added.count)
        ports += added
        return slice
    }

    /// The selector number of a domain list: 0 for an empty one, else one for each distinct set of patterns.
    private mutating func number(for patterns: [DomainPattern], _ hash: inout StableHash) -> SelectorNumber {
        let key = Set(patterns.map(\.description)).sorted()
        hash.combine(UInt64(key.count))
        guard !key.isEmpty else { return 0 }
        for text in key { hash.combine(text) }
        let number: SelectorNumber
        if let known = numbers[key] {
            number = known
        } else {
            number = next
            next += 1
            numbers[key] = number
        }
        selectorPatterns[number] = patterns
        return number
    }
}
