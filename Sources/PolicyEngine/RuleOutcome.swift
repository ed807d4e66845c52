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
        if conditions.contains(.nets), !pointer.contains(rule.nets, flow.destination) {
            return .noMatch("the destination is in none of its nets")
        }
        if conditions.contains(.notNets), pointer.contains(rule.notNets, flow.destination) {
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
                    "the destination does not belong to what it selects, and the endpoint holds no live binding for this address under a name of that")
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
        let flow = search.flow
        if rule.family != 0, rule.family != flow.destination.family.rawValue { return "it is for IPv\(rule.family)" }
        if rule.transport != 0, rule.transport != flow.transport.rawValue {
            return "it is for \(TransportProtocol(rawValue: rule.transport))"
        }
        if rule.notTransport != 0, rule.notTransport == flow.transport.rawValue { return "it excludes \(flow.transport)" }
        if !conditions.isDisjoint(with: .anyPorts) {
            guard flow.transport.hasPorts else { return "the protocol has no ports" }
            if conditions.contains(.ports), !pointer.contains(rule.ports, flow.destinationPort) {
                return "port \(flow.destinationPort) is none of its ports"
            }
            if conditions.contains(.notPorts), pointer.contains(rule.notPorts, flow.destinationPort) {
                return "port \(flow.destinationPort) is one of its notPorts"
            }
            if conditions.contains(.notPortSets), excludes(pointer, rule.notPortSets, flow.destination, search.destinationPort) {
                return "port \(flow.destinationPort) bears one of the names in its notPorts"
            }
            if conditions.contains(.sourcePorts), !pointer.contains(rule.sourcePorts, flow.sourcePort) {
                return "source port \(flow.sourcePort) is none of its ports"
            }
            if conditions.contains(.sourceNotPorts), pointer.contains(rule.sourceNotPorts, flow.sourcePort) {
                return "source port \(flow.sourcePort) is one of its notPorts"
            }
            if conditions.contains(.sourcePortSet), !hot.holds(rule.sourcePortSet, flow.source, search.sourcePort) {
                return "source port \(flow.sourcePort) does not bear the name"
            }
            if conditions.contains(.sourceNotPortSets), excludes(pointer, rule.sourceNotPortSets, flow.source, search.sourcePort) {
                return "source port \(flow.sourcePort) bears one of the names in its notPorts"
            }
        }
        if !conditions.isDisjoint(with: .anyICMP) {
            guard flow.transport == .icmp || flow.transport == .icmpv6 else { return "the protocol is not ICMP" }
            let isType = !conditions.contains(.icmpType) || rule.icmpType == flow.icmpType
            let isCode = !conditions.contains(.icmpCode) || rule.icmpCode == flow.icmpCode
            guard isType, isCode else { return "the ICMP type or code is another" }
            if conditions.contains(.notICMPType), rule.notICMPType == flow.icmpType,
                !conditions.contains(.notICMPCode) || rule.notICMPCode == flow.icmpCode
            {
                return "the ICMP type or code is excluded"
            }
        }
        if conditions.contains(.sourceNets), !pointer.contains(rule.sourceNets, flow.source) { return "the source is in none of its nets" }
        if conditions.contains(.sourceNotNets), pointer.contains(rule.sourceNotNets, flow.source) {
            return "the source is in one of its notNets"
        }
        return nil
    }
}
