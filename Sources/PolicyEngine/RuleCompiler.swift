import DomainNames
import NetworkTypes
import PolicyModel

/// Compiles the rules of one block.
struct RuleCompiler {
    private(set) var rules: [CompiledRule] = []
    private(set) var entries: [PolicyBlock.Entry] = []
    private(set) var lengths = PrefixLengths()
    private(set) var flags: ProgramView.Flags = []
    private(set) var setRuleCount = 0
    /// With repeats, one for each time that it was acquired.
    private(set) var patterns: [PatternNumber] = []
    private(set) var sets: [UInt32] = []
    private(set) var allowedSets: [UInt32] = []
    private(set) var allowedPatterns: [PatternNumber] = []
    private(set) var hash = StableHash()

    private var ranges: [AddressRange] = []
    private var patternLists: [PatternNumber] = []
    private var ports: [PortRange] = []
    private var setLists: [UInt32] = []

    private let namespace: String?
    private let deniesByName: Bool

    /// A list of more nets is not indexed by each.
    private static let indexedNetsMax = 4_096

    init(identity: String, namespace: String?, deniesByName: Bool) {
        self.namespace = namespace
        self.deniesByName = deniesByName
        hash.combine(identity)
    }

    static func isUnconditional(_ rule: CompiledRule) -> Bool {
        rule.conditions.isSubset(of: [.onlyNames]) && rule.transport == 0 && rule.notTransport == 0 && rule.family == 0
    }

    /// Names that count on one port only, or on any (0).
    private struct Names {
        var patterns: [DomainPattern]
        var port: UInt16
    }

    /// Adds one rule, as one compiled rule for each combination of its alternatives.
    mutating func add(_ rule: PolicyRule, place: Int, number: UInt32, _ patternRegistry: inout PatternRegistry, _ setRegistry: inout SetRegistry)
    {
        var base = CompiledRule()
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
        addICMP(rule, to: &base)
        let (destination, source) = (rule.destination, rule.source)
        base.nets = add(destination.nets, .nets, to: &base)
        base.notNets = add(destination.notNets, .notNets, to: &base)
        base.sourceNets = add(source.nets, .sourceNets, to: &base)
        base.sourceNotNets = add(source.notNets, .sourceNotNets, to: &base)
        base.notPorts = add(Self.ranges(destination.notPorts), .notPorts, to: &base)
        base.sourceNotPorts = add(Self.ranges(source.notPorts), .sourceNotPorts, to: &base)
        base.notPortSets = addPortSets(destination.notPorts, .notPortSets, to: &base, &setRegistry)
        base.sourceNotPortSets = addPortSets(source.notPorts, .sourceNotPortSets, to: &base, &setRegistry)
        let names = rule.action == .allow || (deniesByName && rule.action != .log)
        let selector = destination.effectiveSelector(policyNamespace: namespace)
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
                    addSourcePorts(sourcePort, to: &alternative, &setRegistry)
                    guard addDestination(
                        rule, name, port, selector, countsNames: names, to: &alternative, &patternRegistry, &setRegistry)
                    else { continue }
                    finish(alternative, nets: destination.nets)
                }
            }
        }
    }

    private static func names(of entity: EntityRule) -> [Names?] {
        var result: [Names?] = []
        if !entity.domains.isEmpty { result.append(Names(patterns: entity.domains, port: 0)) }
        for port in Set(entity.urls.map(\.port)).sorted() {
            result.append(Names(patterns: entity.urls.filter { $0.port == port }.map(\.pattern), port: port))
        }
        return result.isEmpty ? [nil] : result
    }

    /// All numbers together, then each name by itself; one nil if there is no port at all.
    private enum PortAlternative {
        case ranges([PortRange])
        case named(String)
    }

    private static func ranges(_ ports: [RulePort]) -> [PortRange] {
        ports.compactMap { port in if case .range(let range) = port { range } else { nil } }
    }

    private static func namedPorts(_ ports: [RulePort]) -> [String] {
        ports.compactMap { port in if case .named(let name) = port { name } else { nil } }
    }

    private static func alternatives(_ ports: [RulePort]) -> [PortAlternative?] {
        if ports.isEmpty { return [nil] }
        let ranges = ranges(ports)
        return (ranges.isEmpty ? [] : [.ranges(ranges)]) + namedPorts(ports).map { .named($0) }
    }

    private mutating func addICMP(_ rule: PolicyRule, to compiled: inout CompiledRule) {
        if let type = rule.icmp?.type {
            compiled.conditions.insert(.icmpType)
            compiled.icmpType = type
            if let code = rule.icmp?.code {
                compiled.conditions.insert(.icmpCode)
                compiled.icmpCode = code
            }
        }
        if let type = rule.notICMP?.type {
            compiled.conditions.insert(.notICMPType)
            compiled.notICMPType = type
            if let code = rule.notICMP?.code {
                compiled.conditions.insert(.notICMPCode)
                compiled.notICMPCode = code
            }
        }
        if !compiled.conditions.isDisjoint(with: .anyICMP) {
            hash.combine(
                UInt64(compiled.conditions.rawValue) << 32 | UInt64(compiled.icmpType) << 24 | UInt64(compiled.icmpCode) << 16
                    | UInt64(compiled.notICMPType) << 8 | UInt64(compiled.notICMPCode))
        }
    }

    private mutating func addSourcePorts(_ alternative: PortAlternative?, to compiled: inout CompiledRule, _ setRegistry: inout SetRegistry) {
        switch alternative {
        case nil: break
        case .ranges(let ranges): compiled.sourcePorts = add(ranges, .sourcePorts, to: &compiled)
        case .named(let name):
            compiled.conditions.insert(.sourcePortSet)
            compiled.sourcePortSet = acquire(
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
        case .ranges(let ranges): compiled.ports = add(ranges, .ports, to: &compiled)
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
                if compiled.conditions.contains(.ports) {
                    guard Self.ranges(rule.destination.ports).contains(where: { $0.contains(names.port) }) else { return false }
                }
                compiled.transport = TransportProtocol.tcp.rawValue
                compiled.ports = add([range], .ports, to: &compiled)
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
        compiled.patterns.offset = Int32(patternLists.count)
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
        _ added: [RulePort], _ condition: CompiledRule.Conditions, to compiled: inout CompiledRule, _ setRegistry: inout SetRegistry
    ) -> CompiledRule.Slice {
        var slice = CompiledRule.Slice()
        let names = Self.namedPorts(added)
        guard !names.isEmpty else { return slice }
        compiled.conditions.insert(condition)
        slice.offset = Int32(setLists.count)
        slice.count = UInt32(names.count)
        for name in names {
            setLists.append(
                acquire(.namedPort(name, compiled.transport, Selector.all.description), .all, condition, &setRegistry))
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
        slice.offset = Int32(ranges.count)
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
        slice.offset = Int32(ports.count)
        slice.count = UInt32(added.count)
        ports += added
        return slice
    }

    /// Enters a compiled rule into the index.
    private mutating func finish(_ finished: CompiledRule, nets: [IPPrefix]) {
        var compiled = finished
        if compiled.conditions.isSubset(of: [.names, .set, .setNames]), compiled.transport == 0, compiled.notTransport == 0,
            compiled.family == 0
        {
            compiled.conditions.insert(.onlyNames)
        }
        let place = UInt32(rules.count)
        rules.append(compiled)
        // The end is marked, as every list is by its count: different rules cannot give the same words.
        hash.combine(UInt64(0))
        func entry(_ key: UInt64) { entries.append(PolicyBlock.Entry(key: key, rule: place)) }
        let conditions = compiled.conditions
        if !conditions.isDisjoint(with: [.set, .notSet]) { flags.insert(.usesSets) }
        let hasSetNames = conditions.contains(.set) && conditions.contains(.setNames)
        if conditions.contains(.names) || hasSetNames {
            if compiled.family != 6 { entry(IndexKey.names(.v4)) }
            if compiled.family != 4 { entry(IndexKey.names(.v6)) }
            if compiled.action != .allow { flags.insert(.deniesNames) }
        }
        if conditions.contains(.set), compiled.action == .allow { entry(IndexKey.allowedSet(compiled.set)) }
        if conditions.contains(.names) {
            flags.insert(.hasPatterns)
            let first = Int(compiled.patterns.offset)
            for number in patternLists[first..<first + Int(compiled.patterns.count)] { entry(IndexKey.pattern(number)) }
        } else if conditions.contains(.set) {
            setRuleCount += 1
            if hasSetNames { flags.insert(.hasSetNames) }
            entry(IndexKey.set(compiled.set))
            entry(IndexKey.everySet)
        } else if conditions.contains(.nets), nets.count <= Self.indexedNetsMax {
            for net in nets {
                lengths.insert(net)
                entry(IndexKey.net(net.address, net.length))
            }
        } else {
            flags.insert(.hasAnyDestination)
            entry(IndexKey.anyDestination)
        }
    }

    /// All rules and lists in one piece of memory, the slices relative to their rules.
    consuming func flatten() -> UnsafeMutableRawPointer {
        let ruleBytes = rules.count * MemoryLayout<CompiledRule>.stride
        let rangeStart = (ruleBytes + 15) & ~15
        let patternStart = rangeStart + ranges.count * MemoryLayout<AddressRange>.stride
        let setStart = patternStart + patternLists.count * 4
        let portStart = setStart + setLists.count * 4
        let total = portStart + ports.count * MemoryLayout<PortRange>.stride
        precondition(total < Int(Int32.max), "the rules of one policy take less than 2 GiB")
        let memory = UnsafeMutableRawPointer.allocate(byteCount: max(total, 64), alignment: 64)
        // Sound: each list is written once into the part that was counted for it; everything is bitwise copyable.
        for place in ranges.indices {
            unsafe (memory + rangeStart).assumingMemoryBound(to: AddressRange.self)[place] = ranges[place]
        }
        for place in patternLists.indices { unsafe (memory + patternStart).assumingMemoryBound(to: UInt32.self)[place] = patternLists[place] }
        for place in setLists.indices { unsafe (memory + setStart).assumingMemoryBound(to: UInt32.self)[place] = setLists[place] }
        for place in ports.indices { unsafe (memory + portStart).assumingMemoryBound(to: PortRange.self)[place] = ports[place] }
        for place in rules.indices {
            var rule = rules[place]
            let own = place * MemoryLayout<CompiledRule>.stride
            func fix(_ slice: inout CompiledRule.Slice, _ start: Int, _ stride: Int) {
                if slice.count > 0 { slice.offset = Int32(start + Int(slice.offset) * stride - own) }
            }
            let rangeStride = MemoryLayout<AddressRange>.stride
            let portStride = MemoryLayout<PortRange>.stride
            fix(&rule.nets, rangeStart, rangeStride)
            fix(&rule.notNets, rangeStart, rangeStride)
            fix(&rule.sourceNets, rangeStart, rangeStride)
            fix(&rule.sourceNotNets, rangeStart, rangeStride)
            fix(&rule.patterns, patternStart, 4)
            fix(&rule.notPortSets, setStart, 4)
            fix(&rule.sourceNotPortSets, setStart, 4)
            fix(&rule.ports, portStart, portStride)
            fix(&rule.notPorts, portStart, portStride)
            fix(&rule.sourcePorts, portStart, portStride)
            fix(&rule.sourceNotPorts, portStart, portStride)
            unsafe memory.assumingMemoryBound(to: CompiledRule.self)[place] = rule
        }
        return unsafe memory
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
