import NetworkTypes

/// Whether one rule matches a flow.
extension CompiledPolicy {
    /// All criteria of a rule that was found by `pattern`, under which the endpoint holds the destination: one of the rule's own, or one of
    /// its address set's; by `anyName` if it was found without.
    @inlinable
    func matches<Bindings: BindingLookup & ~Copyable>(
        _ pointer: RulePointer, by pattern: PatternNumber, _ search: FlowSearch, _ bindings: borrowing Bindings
    ) -> Bool {
        let conditions = pointer.conditions
        guard admits(pointer, search.flow) else { return false }
        // What is found by one of its own patterns has that pattern: the keys of patterns are exact.
        if conditions.contains(.names), pattern == anyName { return false }
        if conditions.contains(.net), !pointer.rule.containsInNet(search.flow.destination) { return false }
        if conditions.contains(.nets), !pointer.contains(pointer.rule.nets, search.flow.destination) { return false }
        if conditions.contains(.set) {
            let set = pointer.rule.set
            if pattern != anyName, !conditions.contains(.names) {
                guard conditions.contains(.setNames), hot.names(set, pattern, search.flow) else { return false }
            } else if !hot.holdsDestination(set, search) {
                guard conditions.contains(.names), conditions.contains(.setNames), isNamed(set, search, bindings) else { return false }
            }
        }
        return conditions.isDisjoint(with: .rare) || fulfilsRare(pointer, search, bindings)
    }

    /// Family, protocol and destination ports.
    @inlinable
    func admits(_ pointer: RulePointer, _ flow: FlowTuple) -> Bool {
        let rule = pointer.rule
        if rule.family != 0, rule.family != flow.destination.family.rawValue { return false }
        if rule.transport != 0, rule.transport != flow.transport.rawValue { return false }
        if rule.notTransport != 0, rule.notTransport == flow.transport.rawValue { return false }
        if rule.conditions.contains(.port) {
            guard rule.port.contains(flow.destinationPort), flow.transport.hasPorts else { return false }
        } else if rule.conditions.contains(.ports) {
            guard flow.transport.hasPorts, pointer.contains(rule.ports, flow.destinationPort) else { return false }
        }
        return true
    }

    /// Whether the endpoint holds the destination under a name of the set.
    @inlinable
    func isNamed<Bindings: BindingLookup & ~Copyable>(
        _ set: UInt32, _ search: FlowSearch, _ bindings: borrowing Bindings
    ) -> Bool {
        guard hot.names.count > 0 else { return false }
        var numbers = bindings.numbers(search.endpoint, boundTo: search.flow.destination)
        while let number = numbers.next() {
            if number != anyName, hot.names(set, number, search.flow) { return true }
        }
        return false
    }

    /// The criteria that few rules have.
    @inlinable
    func fulfilsRare<Bindings: BindingLookup & ~Copyable>(
        _ pointer: RulePointer, _ search: FlowSearch, _ bindings: borrowing Bindings
    ) -> Bool {
        let rule = pointer.rule
        let conditions = rule.conditions
        let rare = rule.rare
        let flow = search.flow
        if !conditions.isDisjoint(with: .rarePorts) {
            guard flow.transport.hasPorts else { return false }
            if conditions.contains(.notPorts), pointer.contains(rare.notPorts, flow.destinationPort) { return false }
            if conditions.contains(.notPortSets), excludes(pointer, rare.notPortSets, flow.destination, search.destinationPort) {
                return false
            }
            if conditions.contains(.sourcePorts), !pointer.contains(rare.sourcePorts, flow.sourcePort) { return false }
            if conditions.contains(.sourceNotPorts), pointer.contains(rare.sourceNotPorts, flow.sourcePort) { return false }
            if conditions.contains(.sourcePortSet), !hot.holds(rare.sourcePortSet, flow.source, search.sourcePort) { return false }
            if conditions.contains(.sourceNotPortSets), excludes(pointer, rare.sourceNotPortSets, flow.source, search.sourcePort) {
                return false
            }
        }
        if !conditions.isDisjoint(with: .anyICMP) {
            guard flow.transport == .icmp || flow.transport == .icmpv6 else { return false }
            if conditions.contains(.icmpType), rare.icmpType != flow.icmpType { return false }
            if conditions.contains(.icmpCode), rare.icmpCode != flow.icmpCode { return false }
            if conditions.contains(.notICMPType), rare.notICMPType == flow.icmpType,
                !conditions.contains(.notICMPCode) || rare.notICMPCode == flow.icmpCode
            {
                return false
            }
        }
        if conditions.contains(.notNets), pointer.contains(rare.notNets, flow.destination) { return false }
        if conditions.contains(.sourceNets), !pointer.contains(rare.sourceNets, flow.source) { return false }
        if conditions.contains(.sourceNotNets), pointer.contains(rare.sourceNotNets, flow.source) { return false }
        if conditions.contains(.notSet) {
            if hot.holdsDestination(rule.notSet, search) { return false }
            if conditions.contains(.setNames), isNamed(rule.notSet, search, bindings) { return false }
        }
        return true
    }

    /// Whether one of the address sets, of endpoints that name a port, holds the address with the port.
    @inlinable
    func excludes(_ pointer: RulePointer, _ slice: CompiledRule.Slice, _ address: IPAddress, _ port: UInt32) -> Bool {
        var place = 0
        while place < Int(slice.count) {
            if hot.holds(pointer.element(slice, place, as: UInt32.self), address, port) { return true }
            place &+= 1
        }
        return false
    }
}
