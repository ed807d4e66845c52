import DomainNames
import NetworkTypes

/// How one rule took to a flow, for people.
enum RuleOutcome {
    /// By this pattern, or without a name.
    case match(PatternNumber)
    /// The first criterion that was not fulfilled.
    case noMatch(String)

    func text(_ patterns: PatternTable) -> String {
        switch self {
        case .match(anyName): "match"
        case .match(let number): "match by \(patterns.pattern(number)?.description ?? "?")"
        case .noMatch(let why): "no match: \(why)"
        }
    }
}

extension CompiledPolicy {
    /// Tries one rule, criterion by criterion. Written apart from `matches`, which the index leads to; tests compare the two.
    func outcome<Bindings: BindingLookup & ~Copyable>(
        of pointer: RulePointer, _ search: FlowSearch, _ bindings: borrowing Bindings
    ) -> RuleOutcome {
        if let why = mismatchBeforeDestination(pointer, search) { return .noMatch(why) }
        let rule = pointer.rule
        let conditions = rule.conditions
        let flow = search.flow
        let isOutside =
            conditions.contains(.net)
            ? !rule.containsInNet(flow.destination) : conditions.contains(.nets) && !pointer.contains(rule.nets, flow.destination)
        if isOutside {
            return .noMatch("the destination is in none of its nets")
        }
        if conditions.contains(.notNets), pointer.contains(rule.rare.notNets, flow.destination) {
            return .noMatch("the destination is in one of its notNets")
        }
        let held = numbers(search, bindings)
        if conditions.contains(.notSet) {
            if hot.holds(rule.notSet, flow.destination, search.destinationPort) {
                return .noMatch("the destination belongs to what its notSelector selects")
            }
            if conditions.contains(.setNames), held.contains(where: { hot.names(rule.notSet, $0, flow) }) {
                return .noMatch("the endpoint holds the destination under a name of what its notSelector selects")
            }
        }
        var pattern = anyName
        if conditions.contains(.set), !hot.holds(rule.set, flow.destination, search.destinationPort) {
            guard conditions.contains(.setNames), hot.hasNames(rule.set, for: flow) else {
                return .noMatch("the destination does not belong to what it selects")
            }
            guard let number = held.first(where: { hot.names(rule.set, $0, flow) }) else {
                return .noMatch(
                    "the destination does not belong to what it selects, and the endpoint holds no live binding for this address under a name of that"
                )
            }
            pattern = number
        }
        if conditions.contains(.names) {
            guard let number = held.first(where: { pointer.names($0) }) else {
                return .noMatch("the endpoint holds no live binding for this address under a name of the rule")
            }
            pattern = number
        }
        return .match(pattern)
    }

    private func numbers<Bindings: BindingLookup & ~Copyable>(_ search: FlowSearch, _ bindings: borrowing Bindings) -> [PatternNumber] {
        var result: [PatternNumber] = []
        var numbers = bindings.numbers(search.endpoint, boundTo: search.flow.destination)
        while let number = numbers.next() { if number != anyName { result.append(number) } }
        return result
    }

    private func mismatchBeforeDestination(_ pointer: RulePointer, _ search: FlowSearch) -> String? {
        let rule = pointer.rule
        let conditions = rule.conditions
        let rare = rule.rare
        let flow = search.flow
        if rule.family != 0, rule.family != flow.destination.family.rawValue { return "it is for IPv\(rule.family)" }
        if rule.transport != 0, rule.transport != flow.transport.rawValue {
            return "it is for \(TransportProtocol(rawValue: rule.transport))"
        }
        if rule.notTransport != 0, rule.notTransport == flow.transport.rawValue { return "it excludes \(flow.transport)" }
        if !conditions.isDisjoint(with: [.port, .ports]) {
            guard flow.transport.hasPorts else { return "the protocol has no ports" }
            let isInside =
                conditions.contains(.port)
                ? rule.port.contains(flow.destinationPort) : pointer.contains(rule.ports, flow.destinationPort)
            guard isInside else { return "port \(flow.destinationPort) is none of its ports" }
        }
        if !conditions.isDisjoint(with: .rarePorts) {
            guard flow.transport.hasPorts else { return "the protocol has no ports" }
            if conditions.contains(.notPorts), pointer.contains(rare.notPorts, flow.destinationPort) {
                return "port \(flow.destinationPort) is one of its notPorts"
            }
            if conditions.contains(.notPortSets), excludes(pointer, rare.notPortSets, flow.destination, search.destinationPort) {
                return "port \(flow.destinationPort) bears one of the names in its notPorts"
            }
            if conditions.contains(.sourcePorts), !pointer.contains(rare.sourcePorts, flow.sourcePort) {
                return "source port \(flow.sourcePort) is none of its ports"
            }
            if conditions.contains(.sourceNotPorts), pointer.contains(rare.sourceNotPorts, flow.sourcePort) {
                return "source port \(flow.sourcePort) is one of its notPorts"
            }
            if conditions.contains(.sourcePortSet), !hot.holds(rare.sourcePortSet, flow.source, search.sourcePort) {
                return "source port \(flow.sourcePort) does not bear the name"
            }
            if conditions.contains(.sourceNotPortSets), excludes(pointer, rare.sourceNotPortSets, flow.source, search.sourcePort) {
                return "source port \(flow.sourcePort) bears one of the names in its notPorts"
            }
        }
        if !conditions.isDisjoint(with: .anyICMP) {
            guard flow.transport == .icmp || flow.transport == .icmpv6 else { return "the protocol is not ICMP" }
            let isType = !conditions.contains(.icmpType) || rare.icmpType == flow.icmpType
            let isCode = !conditions.contains(.icmpCode) || rare.icmpCode == flow.icmpCode
            guard isType, isCode else { return "the ICMP type or code is another" }
            if conditions.contains(.notICMPType), rare.notICMPType == flow.icmpType,
                !conditions.contains(.notICMPCode) || rare.notICMPCode == flow.icmpCode
            {
                return "the ICMP type or code is excluded"
            }
        }
        if conditions.contains(.sourceNets), !pointer.contains(rare.sourceNets, flow.source) { return "the source is in none of its nets" }
        if conditions.contains(.sourceNotNets), pointer.contains(rare.sourceNotNets, flow.source) {
            return "the source is in one of its notNets"
        }
        return nil
    }
}
