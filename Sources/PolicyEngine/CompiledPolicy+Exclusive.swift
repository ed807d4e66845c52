import NetworkTypes

/// Names that are exclusively others'.
extension CompiledPolicy {
    /// The place in the order of all policies of what decides: the rule that was found, else the default action of the denying tier, else
    /// what comes after all tiers.
    @inlinable
    func rank(_ view: UnsafePointer<ProgramView>, found: Int?, denying: Int) -> UInt32 {
        if let found {
            guard unsafe found < view.pointee.profileStart else { return .max }
            return unsafe hot.rank(view.pointee.rest.blockSlots[view.pointee.blockPlace(ofRule: found)])
        }
        return unsafe denying < Int(view.pointee.tierCount) ? hot.rank(view.pointee.tier(denying).slot) : .max
    }

    /// The first implicit rule of an exclusive policy that denies here, with a rank from `from` and below `before`.
    @inlinable
    func exclusiveDenial<Bindings: BindingLookup & ~Copyable>(
        _ exclusives: ExclusivePolicies.View, _ search: FlowSearch, from: UInt32, before: UInt32, _ bindings: borrowing Bindings
    ) -> PolicyDecision? {
        var best = before
        var denial: PolicyDecision?
        var numbers = bindings.numbers(search.endpoint, boundTo: search.flow.destination)
        while let number = numbers.next() {
            if number == anyName { continue }
            if let entry = unsafe firstExclusive(exclusives, number, search.view, from: from, before: best) {
                best = entry.rank
                denial = PolicyDecision(reason: .exclusiveName, rule: entry.number, pattern: number)
            }
        }
        return denial
    }

    /// The first exclusive policy that names the pattern and does not select the endpoints of the program.
    @inlinable
    func firstExclusive(
        _ exclusives: ExclusivePolicies.View, _ pattern: PatternNumber, _ view: UnsafePointer<ProgramView>, from: UInt32, before: UInt32
    ) -> ExclusivePolicies.View.Entry? {
        let run = exclusives.index.find(IndexKey.pattern(pattern))
        var low = 0
        var high = run.count
        while low < high {
            let middle = (low &+ high) >> 1
            if exclusives.entry(run[middle]).rank < from { low = middle &+ 1 } else { high = middle }
        }
        while low < run.count {
            let entry = exclusives.entry(run[low])
            if entry.rank >= before { return nil }
            if exclusives.names(entry, pattern), unsafe !selects(view, rank: entry.rank) { return entry }
            low &+= 1
        }
        return nil
    }

    /// Whether the policy at a place of the order selects the endpoints of the program.
    @inlinable
    func selects(_ view: UnsafePointer<ProgramView>, rank: UInt32) -> Bool {
        var low = 0
        var high = unsafe Int(view.pointee.rest.blockCount)
        while low < high {
            let middle = (low &+ high) >> 1
            let found = unsafe hot.rank(view.pointee.rest.blockSlots[middle])
            if found == rank { return true }
            if found < rank { low = middle &+ 1 } else { high = middle }
        }
        return false
    }

    @inlinable
    func exclusiveSetDenial<Bindings: BindingLookup & ~Copyable>(
        _ search: FlowSearch, _ bindings: borrowing Bindings
    ) -> PolicyDecision? {
        var numbers = bindings.numbers(search.endpoint, boundTo: search.flow.destination)
        while let number = numbers.next() {
            if number != anyName, let rule = unsafe exclusiveSet(number, search.view) {
                return PolicyDecision(reason: .exclusiveName, rule: rule, pattern: number)
            }
        }
        return nil
    }

    /// The implicit rule of an exclusive network set with this pattern that no Allow rule of the program selects.
    @inlinable
    func exclusiveSet(_ pattern: PatternNumber, _ view: UnsafePointer<ProgramView>) -> UInt32? {
        let run = hot.exclusiveSets.index.find(IndexKey.pattern(pattern))
        var place = 0
        while place < run.count {
            let entry = hot.exclusiveSets.entry(run[place])
            if entry.pattern == pattern, unsafe !allows(view, member: entry.member) { return entry.detail }
            place &+= 1
        }
        return nil
    }

    /// Whether an Allow rule of a policy of the program selects the network set.
    @inlinable
    func allows(_ view: UnsafePointer<ProgramView>, member: UInt32) -> Bool {
        let sets = hot.sets(of: member)
        let allowed = unsafe PositionIndex.Run(
            UnsafeRawPointer(view.pointee.rest.allowedSets), count: Int(view.pointee.rest.allowedSetCount))
        var place = 0
        while place < sets.count {
            let set = Int(sets[place] >> 32)
            let found = allowed.firstPlace(from: set)
            if found < allowed.count, allowed[found] == set { return true }
            place &+= 1
        }
        return false
    }
}
