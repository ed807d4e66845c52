import DomainNames
import NetworkTypes

/// What policy says of names.
extension CompiledPolicy {
    /// Appends the number of every pattern of the policy that matches the name, each once.
    public func appendPatterns(matching name: DomainName, to numbers: inout [PatternNumber]) {
        patternTable.names.appendNumbers(matching: name, to: &numbers)
    }

    /// The patterns of the policy with a number of at least `first`, ascending. Cheap where `first` is `nextPattern` of a policy before and
    /// little is new since.
    public func patterns(numberedFrom first: PatternNumber) -> [(PatternNumber, DomainPattern)] {
        patternTable.patterns(numberedFrom: first)
    }

    /// Greater than the number of every pattern so far.
    public var nextPattern: PatternNumber { patternTable.next }

    /// Whether the policy still has the pattern; true for `anyName`.
    public func containsPattern(_ number: PatternNumber) -> Bool { number == anyName || patternTable.pattern(number) != nil }

    /// The pattern of a number, for people; nil for `anyName` and for patterns that are gone.
    public func pattern(_ number: PatternNumber) -> DomainPattern? { patternTable.pattern(number) }

    /// Whether a query for a name, with all patterns of the policy that match it, is answered for the endpoint.
    ///
    /// Refused if a rule denies it; and, for an endpoint that may ask for allowed names alone (`QueryPolicy.allowed`), if none could allow
    /// it. A rule could if it names it, or asks nothing of the destination's address; one that gives addresses, labels or services does
    /// not tell names.
    public func nameDecision(endpoint position: Int, name: DomainName, patterns: [PatternNumber]) -> NameDecision {
        if !patterns.isEmpty, case .refused(let rule, let reason) = denial(endpoint: position, patterns: patterns) {
            return .refused(rule: rule, reason: reason)
        }
        let view = unsafe hot.program(position).enforced
        let flags = unsafe view.pointee.flags
        let isLimited = flags.contains(.asksForAllowed) || (parts.options.queryPolicy == .allowed && !flags.contains(.asksForAny))
        guard isLimited, !flags.contains(.opensAnyDestination), !couldAllow(endpoint: position, patterns: patterns),
            !patterns.contains(where: { unsafe $0 != anyName && view.pointee.index.find(IndexKey.query($0)).count > 0 }),
            !parts.options.queryExemptZones.contains(where: { name.isSubdomain(of: $0) })
        else {
            return .open
        }
        return .refused(rule: PolicyDecision.noRule, reason: .nameNotAllowed)
    }

    /// Refused iff of the rules with names, in order, the first that counts is a Deny: one that names it and asks for nothing else, or the
    /// implicit one of an exclusive policy or set. What counts beside is an Allow that names it whatever else it asks for; a Pass leaves
    /// its tier if it asks for nothing else, and is as good as an Allow if it does.
    private func denial(endpoint position: Int, patterns: [PatternNumber]) -> NameDecision {
        let view = unsafe hot.program(position).enforced
        for pattern in patterns where pattern != anyName {
            if let rule = unsafe exclusiveSet(pattern, view) { return .refused(rule: rule, reason: .exclusiveName) }
        }
        let rules = unsafe rules(naming: patterns, view)
        var rankFrom: UInt32 = 0
        var from = 0
        for (found, isWhole) in rules where found >= from {
            let pointer = unsafe view.pointee.rule(found)
            let appliesToQuery = isWhole && pointer.conditions.contains(.onlyNames)
            if pointer.action == .log || (pointer.action == .deny && !appliesToQuery) { continue }
            if let rule = unsafe exclusiveRule(patterns, view, from: rankFrom, before: rank(view, found: found, denying: 0)) {
                return .refused(rule: rule, reason: .exclusiveName)
            }
            switch pointer.action {
            case .allow: return .open
            case .deny: return .refused(rule: pointer.rule.number, reason: .policyDeny)
            case .pass, .log:
                let tier = unsafe view.pointee.tierPlace(ofRule: found)
                guard appliesToQuery, unsafe tier < Int(view.pointee.tierCount) else { return .open }
                from = unsafe Int(view.pointee.tier(tier).end)
                rankFrom = unsafe hot.rank(view.pointee.tier(tier).slot) + 1
            }
        }
        if let rule = unsafe exclusiveRule(patterns, view, from: rankFrom, before: .max) {
            return .refused(rule: rule, reason: .exclusiveName)
        }
        return .open
    }

    /// Whether some Allow or Pass rule of the endpoint names what these patterns match.
    public func couldAllow(endpoint position: Int, patterns: [PatternNumber]) -> Bool {
        let view = unsafe hot.program(position).enforced
        return unsafe rules(naming: patterns, view).contains {
            let action = unsafe view.pointee.rule($0.position).action
            return action == .allow || action == .pass
        }
    }

    private func exclusiveRule(
        _ patterns: [PatternNumber], _ view: UnsafePointer<ProgramView>, from: UInt32, before: UInt32
    ) -> UInt32? {
        guard hot.exclusives.count > 0 else { return nil }
        var best: ExclusivePolicies.View.Entry?
        for pattern in patterns where pattern != anyName {
            let limit = best?.rank ?? before
            best = unsafe firstExclusive(hot.exclusives, pattern, view, from: from, before: limit) ?? best
        }
        return best?.number
    }

    /// Rules that have one of the patterns among their names or those of their address set; ascending, each once. Whole: not only on the
    /// port of a URL.
    private func rules(naming patterns: [PatternNumber], _ view: UnsafePointer<ProgramView>) -> [(position: Int, isWhole: Bool)] {
        var result: [Int: Bool] = [:]
        for pattern in patterns where pattern != anyName {
            let run = unsafe view.pointee.index.find(IndexKey.pattern(pattern))
            for place in 0..<run.count { result[run[place]] = true }
            let members = hot.names.index.find(IndexKey.pattern(pattern))
            for place in 0..<members.count {
                let entry = hot.names.entry(members[place])
                guard entry.pattern == pattern else { continue }
                let sets = hot.sets(of: entry.member)
                for setPlace in 0..<sets.count {
                    let set = UInt32(truncatingIfNeeded: sets[setPlace] >> 32)
                    let run = unsafe view.pointee.index.find(IndexKey.set(set))
                    for place in 0..<run.count {
                        let pointer = unsafe view.pointee.rule(run[place])
                        guard pointer.conditions.contains(.setNames), !pointer.conditions.contains(.names), pointer.rule.set == set else {
                            continue
                        }
                        result[run[place], default: false] = result[run[place]] ?? false || entry.detail == 0
                    }
                }
            }
        }
        return result.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }
}
