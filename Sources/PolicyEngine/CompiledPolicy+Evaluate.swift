import NetworkTypes

extension CompiledPolicy {
    /// Decides one flow of one endpoint. Allocates nothing, takes no lock, always ends.
    ///
    /// Tiers in order; in each the policies that select the endpoint, in order; the first rule that matches with Allow,
    /// Deny or Pass decides; a tier in which none matches gives its default action
    /// (docs.tigera.io, "Get started with tiered network policy").
    @inlinable
    public func evaluate<Bindings: BindingLookup & ~Copyable>(
        endpoint position: Int, _ flow: FlowTuple, bindings: borrowing Bindings
    ) -> PolicyDecision {
        let program = programs[position]
        let id = program.id
        var step = program.firstStep
        let end = step + program.stepCount
        var missedForName = false
        while step < end {
            let current = steps[step]
            switch current.kind {
            case .policy:
                var passes = false
                var rule = Int(current.firstRule)
                let last = rule + Int(current.ruleCount)
                search: while rule < last {
                    let match = matches(rule, flow, id, bindings)
                    if match.isMatch {
                        switch rules[rule].action {
                        case .allow:
                            return PolicyDecision(reason: .policyAllow, rule: rules[rule].description, selector: match.selector)
                        case .deny:
                            return PolicyDecision(reason: .policyDeny, rule: rules[rule].description, selector: match.selector)
                        case .pass:
                            passes = true
                            break search
                        case .log:
                            break
                        }
                    } else if match.lacksName {
                        missedForName = true
                    }
                    rule += 1
                }
                step += passes ? Int(current.stepsToNextTier) : 1
            case .tierDeny:
                var reason = VerdictReason.tierDefaultDeny
                if missedForName {
                    let isResolved = bindings.isBound(id, to: flow.destination, selector: anyNameSelector)
                    reason = isResolved ? .nameNotAllowed : .addressNotResolved
                }
                return PolicyDecision(reason: reason, rule: current.description, selector: anyNameSelector)
            case .tierPass:
                step += 1
            }
        }
        if program.isPoliced || unselectedAllowed {
            return PolicyDecision(reason: .noPolicy, rule: PolicyDecision.noRule, selector: anyNameSelector)
        }
        return PolicyDecision(reason: .noPolicyDeny, rule: PolicyDecision.noRule, selector: anyNameSelector)
    }

    /// How a rule took to a flow.
    @frozen
    @usableFromInline
    struct RuleMatch: BitwiseCopyable {
        @usableFromInline var isMatch: Bool
        /// All but the name matched.
        @usableFromInline var lacksName: Bool
        @usableFromInline var selector: SelectorNumber
        @inlinable
        init(isMatch: Bool, lacksName: Bool = false, selector: SelectorNumber = 0) {
            self.isMatch = isMatch
            self.lacksName = lacksName
            self.selector = selector
        }
    }

    @inlinable
    func matches<Bindings: BindingLookup & ~Copyable>(
        _ position: Int, _ flow: FlowTuple, _ endpoint: EndpointID, _ bindings: borrowing Bindings
    ) -> RuleMatch {
        let rule = rules[position]
        let conditions = rule.conditions
        if rule.family != 0, rule.family != flow.destination.family.rawValue { return RuleMatch(isMatch: false) }
        if rule.transport != 0, rule.transport != flow.transport.rawValue { return RuleMatch(isMatch: false) }
        if rule.notTransport != 0, rule.notTransport == flow.transport.rawValue { return RuleMatch(isMatch: false) }
        if conditions.isEmpty { return RuleMatch(isMatch: true) }
        if !conditions.isDisjoint(with: .anyPorts) {
            guard flow.transport.hasPorts else { return RuleMatch(isMatch: false) }
            if conditions.contains(.ports), !contains(rule.ports, flow.destinationPort) { return RuleMatch(isMatch: false) }
            if conditions.contains(.notPorts), contains(rule.notPorts, flow.destinationPort) { return RuleMatch(isMatch: false) }
            if conditions.contains(.sourcePorts), !contains(rule.sourcePorts, flow.sourcePort) { return RuleMatch(isMatch: false) }
            if conditions.contains(.sourceNotPorts), contains(rule.sourceNotPorts, flow.sourcePort) { return RuleMatch(isMatch: false) }
        }
        if conditions.contains(.sourceNets), !contains(rule.sourceNets, flow.source) { return RuleMatch(isMatch: false) }
        if conditions.contains(.sourceNotNets), contains(rule.sourceNotNets, flow.source) { return RuleMatch(isMatch: false) }
        if conditions.contains(.nets), !contains(rule.nets, flow.destination) { return RuleMatch(isMatch: false) }
        if conditions.contains(.notNets), contains(rule.notNets, flow.destination) { return RuleMatch(isMatch: false) }
        if conditions.contains(.notSelected) {
            if contains(rule.notSelected, flow.destination) { return RuleMatch(isMatch: false) }
            if rule.notSelectedDomainSelector != 0,
                bindings.isBound(endpoint, to: flow.destination, selector: rule.notSelectedDomainSelector)
            {
                return RuleMatch(isMatch: false)
            }
        }
        var selector: SelectorNumber = 0
        if conditions.contains(.selected), !contains(rule.selected, flow.destination) {
            guard rule.selectedDomainSelector != 0 else { return RuleMatch(isMatch: false) }
            guard bindings.isBound(endpoint, to: flow.destination, selector: rule.selectedDomainSelector) else {
                return RuleMatch(isMatch: false, lacksName: true)
            }
            selector = rule.selectedDomainSelector
        }
        if conditions.contains(.domains) {
            guard bindings.isBound(endpoint, to: flow.destination, selector: rule.domainSelector) else {
                return RuleMatch(isMatch: false, lacksName: true)
            }
            selector = rule.domainSelector
        }
        return RuleMatch(isMatch: true, selector: selector)
    }

    @inlinable
    func contains(_ slice: CompiledRule.Slice, _ port: UInt16) -> Bool {
        var position = Int(slice.start)
        let end = position + Int(slice.count)
        while position < end {
            if ports[position].contains(port) { return true }
            position += 1
        }
        return false
    }

    /// Binary search among sorted, disjoint ranges.
    @inlinable
    func contains(_ slice: CompiledRule.Slice, _ address: IPAddress) -> Bool {
        var low = Int(slice.start)
        var high = low + Int(slice.count)
        while low < high {
            let middle = (low + high) / 2
            if AddressRange.precedes(address, ranges[middle].first) {
                high = middle
            } else if AddressRange.precedes(ranges[middle].last, address) {
                low = middle + 1
            } else {
                return true
            }
        }
        return false
    }
}
