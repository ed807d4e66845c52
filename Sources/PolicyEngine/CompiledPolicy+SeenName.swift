import DomainNames
import NetworkTypes
import PolicyModel

/// The name that a flow gives in its hello.
extension CompiledPolicy {
    /// Whether a flow that this rule admitted by a pattern has to give its name.
    @inlinable
    func nameCheck(_ pointer: RulePointer, by pattern: PatternNumber, _ flow: FlowTuple) -> NameVerification {
        let conditions = pointer.conditions
        guard pattern != anyName, !conditions.isDisjoint(with: .checksName) else { return .off }
        let isChecked: Bool
        if conditions.contains(.namePorts) {
            let rare = pointer.rule.rare
            isChecked =
                flow.transport == .tcp
                ? pointer.contains(rare.nameTCPPorts, flow.destinationPort)
                : flow.transport == .udp && pointer.contains(rare.nameUDPPorts, flow.destinationPort)
        } else {
            isChecked = NamePort.isStandard(flow.transport, flow.destinationPort)
        }
        guard isChecked else { return .off }
        return conditions.contains(.requiresName) ? .require : .observe
    }

    /// What the endpoint holds an address under, less every pattern that does not match the name seen. Allocates.
    ///
    /// A pattern may match more than one name under which the client holds the address, or a name under which it does not: that the name
    /// itself is one of those is for the caller to look up.
    public func seenNameBindings<Bindings: BindingLookup & ~Copyable>(
        _ name: DomainName, endpoint position: Int, boundTo address: IPAddress, _ bindings: borrowing Bindings
    ) -> SeenNameBindings {
        var matching: [PatternNumber] = []
        appendPatterns(matching: name, to: &matching)
        let wanted = Set(matching)
        let id = endpoints[position].id
        var kept: [PatternNumber] = []
        var numbers = bindings.numbers(id, boundTo: address)
        while let number = numbers.next() { if number == anyName || wanted.contains(number) { kept.append(number) } }
        return SeenNameBindings(endpoint: id, address: address, numbers: kept)
    }

    /// Whether the endpoint may send this flow under the name that it gave: the decision if the endpoint held the destination under that name
    /// alone. Denied if it holds it under other names only, or if policy allows only those. For the warm path: it allocates.
    public func evaluate<Bindings: BindingLookup & ~Copyable>(
        endpoint position: Int, _ flow: FlowTuple, seenName name: DomainName, bindings: borrowing Bindings
    ) -> PolicyDecision {
        evaluate(
            endpoint: position, flow,
            bindings: seenNameBindings(name, endpoint: position, boundTo: flow.destination, bindings))
    }
}
