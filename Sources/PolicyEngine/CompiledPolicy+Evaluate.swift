import NetworkTypes
import PolicyModel

extension CompiledPolicy {
    /// Decides one flow of one endpoint. Allocates nothing, counts no references, takes no lock, always ends.
    ///
    /// Failsafe ports of host endpoints and encapsulation out of workloads; exclusive network sets; tiers in order, in each the policies
    /// that select the endpoint, in order; the first rule that matches with Allow, Deny or Pass decides; a tier that counts and in which
    /// none matches gives its default action; then the endpoint's profiles; then it is denied
    /// (docs.tigera.io, "Get started with tiered network policy").
    @inlinable
    public func evaluate<Bindings: BindingLookup & ~Copyable>(
        endpoint position: Int, _ flow: FlowTuple, bindings: borrowing Bindings
    ) -> PolicyDecision {
        let program = hot.program(position)
        return unsafe decide(program.enforced, hot.exclusives, program.id, flow, bindings)
    }

    /// As `evaluate`, with the staged policies in force. Nil if none bears on the endpoint: it would be decided the same.
    @inlinable
    public func evaluateStaged<Bindings: BindingLookup & ~Copyable>(
        endpoint position: Int, _ flow: FlowTuple, bindings: borrowing Bindings
    ) -> PolicyDecision? {
        let program = hot.program(position)
        guard let view = unsafe program.staged else { return nil }
        return unsafe decide(view, hot.stagedExclusives, program.id, flow, bindings)
    }

    /// Whether an allowed flow of the endpoint speaks for every later one to the same address, protocol and port, as long as the binding
    /// lives by which it was allowed: no rule of the endpoint looks at source ports, logs, or denies or passes by name (a name may be
    /// learned at any time), nobody keeps names exclusively, and nothing is staged.
    @inlinable
    public func isLeasable(endpoint position: Int) -> Bool {
        let program = hot.program(position)
        guard hot.exclusives.count == 0, hot.exclusiveSets.count == 0, !program.hasStaged else { return false }
        return unsafe program.enforced.pointee.flags.isDisjoint(with: [.deniesNames, .differsByFlow])
    }

    /// Whether some rule of the endpoint could ask for the name in the hello of flows to this port (`require`): a name that is learned later may make it the
    /// first that matches. Such flows are not leased. What is observed only may go by a lease.
    @inlinable
    public func couldRequireName(endpoint position: Int, _ flow: FlowTuple) -> Bool {
        let flags = unsafe hot.program(position).enforced.pointee.flags
        if flags.contains(.requiresNamesElsewhere) { return true }
        return flags.contains(.requiresNames) && NamePort.isStandard(flow.transport, flow.destinationPort)
    }

    @inlinable
    func decide<Bindings: BindingLookup & ~Copyable>(
        _ view: UnsafePointer<ProgramView>, _ exclusives: ExclusivePolicies.View, _ id: EndpointID, _ flow: FlowTuple,
        _ bindings: borrowing Bindings
    ) -> PolicyDecision {
        let flags = unsafe view.pointee.flags
        if let reason = builtInReason(flags, flow) {
            return PolicyDecision(reason: reason, rule: PolicyDecision.noRule, pattern: anyName)
        }
        var search = unsafe FlowSearch(flow: flow, endpoint: id, view: view)
        if hot.exclusiveSets.count > 0, let denial = exclusiveSetDenial(search, bindings) { return denial }
        if flags.contains(.usesSets) { hot.collectMembers(&search) }
        let tierCount = unsafe Int(view.pointee.tierCount)
        var tier = 0
        var rankFrom: UInt32 = 0
        while true {
            let denying = unsafe tier < tierCount ? Int(view.pointee.tier(tier).nextDenying) : tierCount
            let limit = unsafe denying < tierCount ? Int(view.pointee.tier(denying).end) : Int(view.pointee.ruleCount)
            search.best = limit
            findFirst(&search, bindings)
            let found = search.best
            if exclusives.count > 0 {
                let before = unsafe rank(view, found: found < limit ? found : nil, denying: denying)
                if let denial = exclusiveDenial(exclusives, search, from: rankFrom, before: before, bindings) { return denial }
            }
            if found == limit {
                if denying < tierCount {
                    return PolicyDecision(
                        reason: defaultDenyReason(search, bindings), rule: unsafe view.pointee.tier(denying).number, pattern: anyName)
                }
                return PolicyDecision(reason: endReason(flags), rule: PolicyDecision.noRule, pattern: anyName)
            }
            let pointer = unsafe view.pointee.rule(found)
            let isProfile = unsafe found >= view.pointee.profileStart
            switch pointer.action {
            case .allow:
                return PolicyDecision(
                    reason: isProfile ? .profileAllow : .policyAllow, rule: pointer.rule.number, pattern: search.pattern,
                    nameCheck: nameCheck(pointer, by: search.pattern, flow))
            case .deny:
                return PolicyDecision(reason: isProfile ? .profileDeny : .policyDeny, rule: pointer.rule.number, pattern: search.pattern)
            case .log:
                search.from = found &+ 1
                tier = unsafe view.pointee.tierPlace(ofRule: found)
                if exclusives.count > 0 { rankFrom = unsafe rank(view, found: found, denying: tierCount) }
            case .pass:
                if isProfile { return PolicyDecision(reason: .profileDeny, rule: PolicyDecision.noRule, pattern: anyName) }
                let left = unsafe view.pointee.tierPlace(ofRule: found)
                tier = left &+ 1
                search.from = unsafe tier < tierCount ? Int(view.pointee.tier(tier).first) : view.pointee.profileStart
                rankFrom = unsafe hot.rank(view.pointee.tier(left).slot) &+ 1
            }
        }
    }

    /// What is decided before any policy.
    @inlinable
    func builtInReason(_ flags: ProgramView.Flags, _ flow: FlowTuple) -> VerdictReason? {
        if flags.contains(.isHost) { return hot.isFailsafe(flow) ? .failsafe : nil }
        // IP in IP is protocol 4.
        if flow.transport.rawValue == 4 || (flow.transport == .udp && flow.destinationPort == hot.vxlanPort) { return .encapsulation }
        // What nothing selects is not queued: an answer of ours would not be true.
        let isPoliced = !flags.contains(.isOpen) || hot.exclusives.count > 0 || hot.exclusiveSets.count > 0
        return isPoliced ? hot.builtIns.reason(flow) : nil
    }

    /// What becomes of a flow that neither tiers nor profiles decided.
    @inlinable
    func endReason(_ flags: ProgramView.Flags) -> VerdictReason {
        if flags.contains(.hasProfiles) { return .profileDeny }
        return flags.contains(.allowsAtEnd) ? .noPolicy : .noPolicyDeny
    }

    /// Tells a default denial for want of a name from others: some rule with names would have admitted the family, protocol and port.
    @inlinable
    func defaultDenyReason<Bindings: BindingLookup & ~Copyable>(
        _ search: FlowSearch, _ bindings: borrowing Bindings
    ) -> VerdictReason {
        let flow = search.flow
        let key = IndexKey.names(flow.destination.family)
        let run = unsafe search.view.pointee.index.find(key)
        var wants = false
        if run.count <= ProgramView.longList {
            wants = wantsName(run, search)
        } else {
            let parts = unsafe search.view.pointee.rest.parts
            let transport = flow.transport.rawValue
            wants =
                wantsName(parts.find(IndexKey.part(key, IndexKey.portKey(transport, flow.destinationPort))), search)
                || wantsName(parts.find(IndexKey.part(key, IndexKey.portKey(transport))), search)
                || wantsName(parts.find(IndexKey.part(key, IndexKey.anyPortKey)), search)
        }
        guard wants else { return .tierDefaultDeny }
        var numbers = bindings.numbers(search.endpoint, boundTo: flow.destination)
        return numbers.next() == nil ? .addressNotResolved : .nameNotAllowed
    }

    @inlinable
    func wantsName(_ run: PositionIndex.Run, _ search: FlowSearch) -> Bool {
        var place = 0
        while place < run.count {
            if wantsName(unsafe search.view.pointee.rule(run[place]), search) { return true }
            place &+= 1
        }
        return false
    }

    /// Whether the rule has names and admits the flow's family, protocol and destination port.
    @inlinable
    func wantsName(_ pointer: RulePointer, _ search: FlowSearch) -> Bool {
        let conditions = pointer.conditions
        let flow = search.flow
        guard conditions.contains(.names) || (conditions.contains(.set) && conditions.contains(.setNames)), admits(pointer, flow) else {
            return false
        }
        if !conditions.contains(.names), !hot.hasNames(pointer.rule.set, for: flow) { return false }
        if conditions.contains(.notPorts) {
            guard flow.transport.hasPorts, !pointer.contains(pointer.rule.rare.notPorts, flow.destinationPort) else { return false }
        }
        if conditions.contains(.notPortSets) {
            guard flow.transport.hasPorts, !excludes(pointer, pointer.rule.rare.notPortSets, flow.destination, search.destinationPort)
            else {
                return false
            }
        }
        return true
    }
}
