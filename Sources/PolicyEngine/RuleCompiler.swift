import DomainNames
import NetworkTypes
import PolicyModel

/// Compiles the rules of one block.
struct RuleCompiler {
    private(set) var rules: [CompiledRule] = []
    private(set) var entries: [BlockView.Entry] = []
    private(set) var lengths = PrefixLengths()
    private(set) var flags: ProgramView.Flags = []
    /// Rules whose destination is an address set and that have no patterns of their own, ascending.
    private(set) var setRules: [UInt32] = []
    /// Rules with names, and a hash of what decides whether they admit a flow but for the destination.
    private(set) var nameRules: [BlockView.Entry] = []
    /// With repeats, one for each time that it was acquired.
    private(set) var patterns: [PatternNumber] = []
    private(set) var sets: [UInt32] = []
    private(set) var allowedSets: [UInt32] = []
    private(set) var allowedPatterns: [PatternNumber] = []
    private(set) var hash = StableHash()

    private(set) var rares: [CompiledRule.RareCriteria] = []
    private(set) var ranges: [AddressRange] = []
    private(set) var patternLists: [PatternNumber] = []
    private(set) var ports: [PortRange] = []
    private(set) var setLists: [UInt32] = []

    private let namespace: String?
    private let deniesByName: Bool
    private let nameVerification: NameVerification
    private let namePorts: [NamePort]?

    /// A list of more nets is not indexed by each.
    private static let indexedNetsMax = 4_096

    init(identity: String, namespace: String?, deniesByName: Bool, nameVerification: NameVerification = .off, namePorts: [NamePort]? = nil)
    {
        self.namespace = namespace
        self.deniesByName = deniesByName
        self.nameVerification = nameVerification
        self.namePorts = namePorts
        hash.combine(identity)
    }

    static func isUnconditional(_ rule: CompiledRule) -> Bool {
        rule.conditions.isSubset(of: [.onlyNames]) && rule.transport == 0 && rule.notTransport == 0 && rule.family == 0
    }

    /// Adds one rule, as one compiled rule for each combination of its alternatives.
    mutating func add(
        _ rule: PolicyRule, place: Int, number: UInt32, _ patternRegistry: inout PatternRegistry, _ setRegistry: inout SetRegistry
    ) {
        var base = CompiledRule()
        var rare = CompiledRule.RareCriteria()
        base.place = UInt32(place)
        base.number = number
        switch rule.action {
        case .allow: base.action = .allow
        case .deny: base.action = .deny
        case .pass: base.action = .pass
        case .log: base.action = .log
        }
        base.family = rule.ipVersion?.rawValue ?? 0
        base.transport = rule.protocol?.rawValue ?? 0
        base.notTransport = rule.notProtocol?.rawValue ?? 0
        hash.combine(
            UInt64(base.action.rawValue) | UInt64(base.family) << 8 | UInt64(base.transport) << 16 | UInt64(base.notTransport) << 24
                | (deniesByName ? 1 << 32 : 0))
        addICMP(rule, to: &base, &rare)
        let (destination, source) = (rule.destination, rule.source)
        base.nets = addNets(destination.nets, to: &base)
        rare.notNets = add(destination.notNets, .notNets, to: &base)
        rare.sourceNets = add(source.nets, .sourceNets, to: &base)
        rare.sourceNotNets = add(source.notNets, .sourceNotNets, to: &base)
        rare.notPorts = add(Self.ranges(destination.notPorts), .notPorts, to: &base)
        rare.sourceNotPorts = add(Self.ranges(source.notPorts), .sourceNotPorts, to: &base)
        let selector = destination.effectiveSelector(policyNamespace: namespace)
        rare.notPortSets = addPortSets(destination.notPorts, of: selector ?? .all, .notPortSets, to: &base, &setRegistry)
        rare.sourceNotPortSets = addPortSets(source.notPorts, of: .all, .sourceNotPortSets, to: &base, &setRegistry)
        let names = rule.action == .allow || (deniesByName && rule.action == .deny)
        if let notSelector = destination.notSelector {
            base.conditions.insert(.notSet)
            if names { base.conditions.insert(.setNames) }
            base.notSet = acquire(.selector(notSelector.description), notSelector, .notSet, &setRegistry)
        }
        let nameAlternatives = Self.names(of: destination)
        let portAlternatives = Self.alternatives(destination.ports)
        let sourceAlternatives = Self.alternatives(source.ports)
        hash.combine(UInt64(nameAlternatives.count) << 32 | UInt64(portAlternatives.count) << 16 | UInt64(sourceAlternatives.count))
        for name in nameAlternatives {
            for port in portAlternatives {
                for sourcePort in sourceAlternatives {
                    var alternative = base
                    var alternativeRare = rare
                    addSourcePorts(sourcePort, to: &alternative, &alternativeRare, &setRegistry)
                    guard
                        addDestination(
                            rule, name, port, selector, countsNames: names, to: &alternative, &patternRegistry, &setRegistry)
                    else { continue }
                    finish(alternative, alternativeRare, nets: destination.nets)
                }
            }
        }
    }

    /// Adds which names may be asked for. It is no part of the rules' meaning: no flow is decided by it.
    mutating func add(_ policy: QueryPolicy?, queryNames: [DomainPattern], _ patternRegistry: inout PatternRegistry) {
        switch policy {
        case .allowed: flags.insert(.asksForAllowed)
        case .any: flags.insert(.asksForAny)
        case nil: break
        }
        // Names that may be asked for at a port that no rule opens help nobody.
        guard !rules.isEmpty else { return }
        for pattern in queryNames {
            let number = patternRegistry.acquire(pattern).number
            patterns.append(number)
            entries.append(BlockView.Entry(key: IndexKey.query(number), rule: 0))
        }
    }

    private mutating func addICMP(
        _ rule: PolicyRule, to compiled: inout CompiledRule, _ rare: inout CompiledRule.RareCriteria
    ) {
        if let type = rule.icmp?.type {
            compiled.conditions.insert(.icmpType)
            rare.icmpType = type
            if let code = rule.icmp?.code {
                compiled.conditions.insert(.icmpCode)
                rare.icmpCode = code
            }
        }
        if let type = rule.notICMP?.type {
            compiled.conditions.insert(.notICMPType)
            rare.notICMPType = type
            if let code = rule.notICMP?.code {
                compiled.conditions.insert(.notICMPCode)
                rare.notICMPCode = code
            }
        }
        if !compiled.conditions.isDisjoint(with: .anyICMP) {
            hash.combine(
                UInt64(compiled.conditions.rawValue) << 32 | UInt64(rare.icmpType) << 24 | UInt64(rare.icmpCode) << 16
                    | UInt64(rare.notICMPType) << 8 | UInt64(rare.notICMPCode))
        }
    }

    private mutating func addSourcePorts(
        _ alternative: PortAlternative?, to compiled: inout CompiledRule, _ rare: inout CompiledRule.RareCriteria,
        _ setRegistry: inout SetRegistry
    ) {
        switch alternative {
        case nil: break
        case .ranges(let ranges): rare.sourcePorts = add(ranges, .sourcePorts, to: &compiled)
        case .named(let name):
            compiled.conditions.insert(.sourcePortSet)
            rare.sourcePortSet = acquire(
                .namedPort(name, compiled.transport, Selector.all.description), .all, .sourcePortSet, &setRegistry)
        }
    }

    /// What the alternatives of the destination are. False if this one can never match.
    private mutating func addDestination(
        _ rule: PolicyRule, _ names: Names?, _ port: PortAlternative?, _ selector: Selector?, countsNames: Bool,
        to compiled: inout CompiledRule, _ patternRegistry: inout PatternRegistry, _ setRegistry: inout SetRegistry
    ) -> Bool {
        var set: UInt32?
        if let service = rule.destination.services {
            let key = AddressSetKind.service(namespace: service.namespace ?? namespace ?? "default", name: service.name)
            set = acquire(key, nil, .set, &setRegistry)
        }
        switch port {
        case nil: break
        case .ranges(let ranges): addPorts(ranges, to: &compiled)
        case .named(let name):
            // An endpoint gives the name to one port of one protocol.
            guard compiled.transport != 0, set == nil else { return false }
            let selector = selector ?? .all
            set = acquire(.namedPort(name, compiled.transport, selector.description), selector, .set, &setRegistry)
        }
        if let selector, set == nil {
            set = acquire(.selector(selector.description), selector, .set, &setRegistry)
            if countsNames { compiled.conditions.insert(.setNames) }
        }
        if let set {
            compiled.conditions.insert(.set)
            compiled.set = set
            if rule.action == .allow { allowedSets.append(set) }
        }
        if let names {
            if names.port != 0 {
                guard compiled.transport == 0 || compiled.transport == TransportProtocol.tcp.rawValue else { return false }
                let range = PortRange(names.port)
                if case .ranges = port {
                    guard Self.ranges(rule.destination.ports).contains(where: { $0.contains(names.port) }) else { return false }
                }
                compiled.transport = TransportProtocol.tcp.rawValue
                addPorts([range], to: &compiled)
            }
            addPatterns(names.patterns, to: &compiled, &patternRegistry)
        }
        return true
    }

    private mutating func addPatterns(
        _ added: [DomainPattern], to compiled: inout CompiledRule, _ patternRegistry: inout PatternRegistry
    ) {
        compiled.conditions.insert(.names)
        var numbers: [PatternNumber] = []
        var sum: UInt64 = 0
        var seen: Set<DomainPattern> = []
        for pattern in added where seen.insert(pattern).inserted {
            let (number, patternHash) = patternRegistry.acquire(pattern)
            numbers.append(number)
            sum &+= StableHash.hash(patternHash, 1)
        }
        patterns += numbers
        if compiled.action == .allow { allowedPatterns += numbers }
        hash.combine(UInt64(CompiledRule.Conditions.names.rawValue))
        hash.combine(UInt64(numbers.count))
        hash.combine(sum)
        numbers.sort()
        compiled.patterns.offset = UInt32(patternLists.count)
        compiled.patterns.count = UInt32(numbers.count)
        patternLists += numbers
    }

    private mutating func acquire(
        _ kind: AddressSetKind, _ selector: Selector?, _ condition: CompiledRule.Conditions, _ setRegistry: inout SetRegistry
    ) -> UInt32 {
        let (number, textHash) = setRegistry.acquire(kind, selector)
        hash.combine(UInt64(condition.rawValue))
        hash.combine(textHash)
        sets.append(number)
        return number
    }

    private mutating func addPortSets(
        _ added: [RulePort], of selector: Selector, _ condition: CompiledRule.Conditions, to compiled: inout CompiledRule,
        _ setRegistry: inout SetRegistry
    ) -> CompiledRule.Slice {
        var slice = CompiledRule.Slice()
        let names = Self.namedPorts(added)
        guard !names.isEmpty else { return slice }
        compiled.conditions.insert(condition)
        slice.offset = UInt32(setLists.count)
        slice.count = UInt32(names.count)
        for name in names {
            setLists.append(
                acquire(.namedPort(name, compiled.transport, selector.description), selector, condition, &setRegistry))
        }
        return slice
    }

    private mutating func add(
        _ prefixes: [IPPrefix], _ condition: CompiledRule.Conditions, to compiled: inout CompiledRule
    ) -> CompiledRule.Slice {
        var slice = CompiledRule.Slice()
        guard !prefixes.isEmpty else { return slice }
        let added = AddressRange.disjoint(prefixes)
        compiled.conditions.insert(condition)
        hash.combine(UInt64(condition.rawValue))
        hash.combine(added)
        slice.offset = UInt32(ranges.count)
        slice.count = UInt32(added.count)
        ranges += added
        return slice
    }

    private mutating func add(
        _ added: [PortRange], _ condition: CompiledRule.Conditions, to compiled: inout CompiledRule
    ) -> CompiledRule.Slice {
        var slice = CompiledRule.Slice()
        guard !added.isEmpty else { return slice }
        compiled.conditions.insert(condition)
        hash.combine(UInt64(condition.rawValue))
        hash.combine(UInt64(added.count))
        for range in added { hash.combine(UInt64(range.lower) << 16 | UInt64(range.upper)) }
        slice.offset = UInt32(ports.count)
        slice.count = UInt32(added.count)
        ports += added
        return slice
    }

    /// Destination nets; one of IPv4 stands in the rule itself.
    private mutating func addNets(_ added: [IPPrefix], to compiled: inout CompiledRule) -> CompiledRule.Slice {
        guard added.count == 1, added[0].address.family == .v4 else { return add(added, .nets, to: &compiled) }
        compiled.conditions.insert(.net)
        hash.combine(UInt64(CompiledRule.Conditions.nets.rawValue))
        hash.combine(AddressRange.disjoint(added))
        var slice = CompiledRule.Slice()
        slice.offset = UInt32(truncatingIfNeeded: added[0].address.lower)
        slice.count = UInt32(added[0].length)
        return slice
    }

    /// Destination ports; one range stands in the rule itself.
    private mutating func addPorts(_ added: [PortRange], to compiled: inout CompiledRule) {
        compiled.conditions.subtract([.port, .ports])
        let slice = add(added, .ports, to: &compiled)
        guard added.count == 1 else {
            compiled.ports = slice
            return
        }
        compiled.conditions.remove(.ports)
        compiled.conditions.insert(.port)
        compiled.port = added[0]
    }

    /// Enters a compiled rule into the index.
    private mutating func finish(_ finished: CompiledRule, _ finishedRare: CompiledRule.RareCriteria, nets: [IPPrefix]) {
        var compiled = finished
        var rare = finishedRare
        if compiled.conditions.isSubset(of: [.names, .set, .setNames]), compiled.transport == 0, compiled.notTransport == 0,
            compiled.family == 0
        {
            compiled.conditions.insert(.onlyNames)
        }
        addNameCheck(to: &compiled, &rare)
        if compiled.conditions.contains(.namePorts) || !compiled.conditions.intersection(.rare).isSubset(of: .notSet) {
            // From 1, made an offset in `flatten`.
            compiled.rareOffset = UInt32(rares.count + 1)
            rares.append(rare)
        }
        let place = UInt32(rules.count)
        rules.append(compiled)
        // The end is marked, as every list is by its count: different rules cannot give the same words.
        hash.combine(UInt64(0))
        func entry(_ key: UInt64) { entries.append(BlockView.Entry(key: key, rule: place)) }
        let conditions = compiled.conditions
        if !conditions.isDisjoint(with: [.set, .notSet]) { flags.insert(.usesSets) }
        let hasSetNames = conditions.contains(.set) && conditions.contains(.setNames)
        if conditions.contains(.names) || hasSetNames {
            nameRules.append(BlockView.Entry(key: admissionHash(compiled, rare), rule: place))
            if compiled.action != .allow { flags.insert(.deniesNames) }
        }
        let excludesNames = conditions.contains(.notSet) && conditions.contains(.setNames)
        if compiled.action == .log || !conditions.isDisjoint(with: .anySourcePort) || excludesNames { flags.insert(.differsByFlow) }
        if conditions.contains(.names) {
            flags.insert(.hasPatterns)
            let first = Int(compiled.patterns.offset)
            for number in patternLists[first..<first + Int(compiled.patterns.count)] { entry(IndexKey.pattern(number)) }
        } else if conditions.contains(.set) {
            setRules.append(place)
            flags.insert(.hasSetRules)
            if hasSetNames { flags.insert(.hasSetNames) }
            entry(IndexKey.set(compiled.set))
        } else if !conditions.isDisjoint(with: [.net, .nets]), nets.count <= Self.indexedNetsMax {
            for net in nets {
                lengths.insert(net)
                entry(IndexKey.net(net.address, net.length))
            }
        } else {
            flags.insert(.hasAnyDestination)
            entry(IndexKey.anyDestination)
        }
    }

    /// Whether the name of a flow that the rule admits by one has to be seen. It is part of the rule's meaning: with another one, open
    /// flows are decided anew.
    private mutating func addNameCheck(to compiled: inout CompiledRule, _ rare: inout CompiledRule.RareCriteria) {
        let conditions = compiled.conditions
        guard compiled.action == .allow, nameVerification != .off,
            conditions.contains(.names) || (conditions.contains(.set) && conditions.contains(.setNames))
        else {
            return
        }
        let condition: CompiledRule.Conditions = nameVerification == .require ? .requiresName : .observesName
        compiled.conditions.insert(condition)
        hash.combine(UInt64(condition.rawValue))
        if condition == .requiresName { flags.insert(namePorts == nil ? .requiresNames : .requiresNamesElsewhere) }
        guard let namePorts else { return }
        rare.nameTCPPorts = add(namePorts.filter { $0.transport == .tcp }.map(\.ports), .namePorts, to: &compiled)
        rare.nameUDPPorts = add(namePorts.filter { $0.transport == .udp }.map(\.ports), .namePorts, to: &compiled)
        compiled.conditions.insert(.namePorts)
        hash.combine(UInt64(rare.nameTCPPorts.count))
    }

    /// Equal for rules of which `wantsName` says the same for every flow.
    private func admissionHash(_ rule: CompiledRule, _ rare: CompiledRule.RareCriteria) -> UInt64 {
        var hash = StableHash()
        hash.combine(UInt64(rule.family) << 16 | UInt64(rule.transport) << 8 | UInt64(rule.notTransport))
        hash.combine(rule.conditions.contains(.names) ? 0 : UInt64(rule.set) + 1)
        func combine(_ slice: CompiledRule.Slice) {
            hash.combine(UInt64(slice.count))
            for range in ports[Int(slice.offset)..<Int(slice.offset + slice.count)] {
                hash.combine(UInt64(range.lower) << 16 | UInt64(range.upper))
            }
        }
        if rule.conditions.contains(.port) { hash.combine(1 << 32 | UInt64(rule.port.lower) << 16 | UInt64(rule.port.upper)) }
        if rule.conditions.contains(.ports) { combine(rule.ports) }
        hash.combine(2 << 32)
        if rule.conditions.contains(.notPorts) { combine(rare.notPorts) }
        let sets = rare.notPortSets
        for number in setLists[Int(sets.offset)..<Int(sets.offset + sets.count)] { hash.combine(3 << 32 | UInt64(number)) }
        return hash.value
    }
}

extension StableHash {
    /// Ranges that are sorted and disjoint.
    mutating func combine(_ ranges: [AddressRange]) {
        combine(UInt64(ranges.count))
        for range in ranges {
            for address in [range.first, range.last] {
                combine(UInt64(address.family.rawValue))
                combine(address.upper)
                combine(address.lower)
            }
        }
    }
}
