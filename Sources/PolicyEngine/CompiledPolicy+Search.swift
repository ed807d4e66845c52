import NetworkTypes

/// The first rule of a program that matches a flow, by the index.
///
/// A rule is indexed under what it asks of the destination: its patterns, else its address set, else its nets, else "any". A list that is
/// long is split by protocol and port. So a decision looks at the few lists that its destination leads to, takes from each the first
/// position that matches in full, and the least of them: the cost does not follow the number of rules.
extension CompiledPolicy {
    /// Sets `best` to the first match at or after `from`, if it lies before what `best` was.
    @inlinable
    func findFirst<Bindings: BindingLookup & ~Copyable>(_ search: inout FlowSearch, _ bindings: borrowing Bindings) {
        let view = unsafe search.view
        let flags = unsafe view.pointee.flags
        if flags.contains(.hasAnyDestination) { scan(IndexKey.anyDestination, by: anyName, &search, bindings) }
        scanNets(&search, bindings)
        var scansEverySet = false
        if flags.contains(.hasSetRules) {
            scansEverySet = searchIsShorterByRule(search)
            if scansEverySet {
                scanEverySet(&search, bindings)
            } else {
                var place = 0
                while place < search.memberCount {
                    scanSets(of: search.members[place], by: anyName, &search, bindings)
                    place &+= 1
                }
            }
        }
        let usesSetNames = flags.contains(.hasSetNames) && !scansEverySet && hot.names.count > 0
        if flags.contains(.hasPatterns) || usesSetNames {
            var numbers = bindings.numbers(search.endpoint, boundTo: search.flow.destination)
            while let number = numbers.next() {
                if number == anyName { continue }
                if flags.contains(.hasPatterns) { scan(IndexKey.pattern(number), by: number, &search, bindings) }
                if usesSetNames { scanNamedSets(number, &search, bindings) }
            }
        }
    }

    @inlinable
    func scan<Bindings: BindingLookup & ~Copyable>(
        _ key: UInt64, by pattern: PatternNumber, _ search: inout FlowSearch, _ bindings: borrowing Bindings
    ) {
        let run = unsafe search.view.pointee.index.find(key)
        if run.count <= ProgramView.longList {
            scan(run, by: pattern, &search, bindings)
        } else {
            // The keys of parts are hashes, also those of patterns.
            let parts = unsafe search.view.pointee.rest.parts
            let transport = search.flow.transport.rawValue
            let port = IndexKey.portKey(transport, search.flow.destinationPort)
            scan(parts.find(IndexKey.part(key, port)), by: pattern, isPart: true, &search, bindings)
            scan(parts.find(IndexKey.part(key, IndexKey.portKey(transport))), by: pattern, isPart: true, &search, bindings)
            scan(parts.find(IndexKey.part(key, IndexKey.anyPortKey)), by: pattern, isPart: true, &search, bindings)
        }
    }

    @inlinable
    func scan<Bindings: BindingLookup & ~Copyable>(
        _ run: PositionIndex.Run, by pattern: PatternNumber, isPart: Bool = false, _ search: inout FlowSearch,
        _ bindings: borrowing Bindings
    ) {
        var place = run.count > ProgramView.longList ? run.firstPlace(from: search.from) : 0
        while place < run.count {
            let position = run[place]
            if position >= search.best { return }
            let pointer = unsafe search.view.pointee.rule(position)
            if position >= search.from, matches(pointer, by: pattern, search, bindings),
                !isPart || !pointer.conditions.contains(.names) || pointer.names(pattern)
            {
                search.best = position
                search.pattern = pattern
                return
            }
            place &+= 1
        }
    }

    @inlinable
    func scanNets<Bindings: BindingLookup & ~Copyable>(_ search: inout FlowSearch, _ bindings: borrowing Bindings) {
        let address = search.flow.destination
        let view = unsafe search.view
        var place = unsafe address.family == .v4 ? 0 : Int(view.pointee.lengthCount4)
        let end =
            unsafe address.family == .v4 ? Int(view.pointee.lengthCount4) : Int(view.pointee.lengthCount4) &+ Int(view.pointee.lengthCount6)
        while place < end {
            // Sound: places below both counts.
            let length = unsafe view.pointee.lengths[place]
            scan(IndexKey.net(address.masked(length), length), by: anyName, &search, bindings)
            place &+= 1
        }
    }

    /// Whether there are fewer rules with address sets than sets that the destination belongs to.
    @inlinable
    func searchIsShorterByRule(_ search: FlowSearch) -> Bool {
        if search.hasMoreMembers { return true }
        var count = 0
        var place = 0
        while place < search.memberCount {
            count &+= hot.sets(of: search.members[place]).count
            place &+= 1
        }
        return unsafe count > Int(search.view.pointee.rest.setRuleCount)
    }

    @inlinable
    func scanSets<Bindings: BindingLookup & ~Copyable>(
        of member: UInt32, by pattern: PatternNumber, _ search: inout FlowSearch, _ bindings: borrowing Bindings
    ) {
        let sets = hot.sets(of: member)
        var place = 0
        while place < sets.count {
            let wanted = UInt32(truncatingIfNeeded: sets[place])
            if wanted == 0 || wanted == search.destinationPort {
                scan(IndexKey.set(UInt32(truncatingIfNeeded: sets[place] >> 32)), by: pattern, &search, bindings)
            }
            place &+= 1
        }
    }

    /// Sets of which a member has the pattern among its names.
    @inlinable
    func scanNamedSets<Bindings: BindingLookup & ~Copyable>(
        _ pattern: PatternNumber, _ search: inout FlowSearch, _ bindings: borrowing Bindings
    ) {
        let run = hot.names.index.find(IndexKey.pattern(pattern))
        var place = 0
        while place < run.count {
            let entry = hot.names.entry(run[place])
            if entry.pattern == pattern, HotTables.counts(entry, for: search.flow) {
                scanSets(of: entry.member, by: pattern, &search, bindings)
            }
            place &+= 1
        }
    }

    /// All rules with address sets one after the other, by address and by name.
    @inlinable
    func scanEverySet<Bindings: BindingLookup & ~Copyable>(_ search: inout FlowSearch, _ bindings: borrowing Bindings) {
        let view = unsafe search.view
        let run = unsafe PositionIndex.Run(UnsafeRawPointer(view.pointee.rest.setRules), count: Int(view.pointee.rest.setRuleCount))
        var place = run.firstPlace(from: search.from)
        while place < run.count {
            let position = run[place]
            if position >= search.best { return }
            let pointer = unsafe view.pointee.rule(position)
            if matches(pointer, by: anyName, search, bindings) {
                search.best = position
                search.pattern = anyName
                return
            }
            if pointer.conditions.contains(.setNames), hot.names.count > 0, admits(pointer, search.flow) {
                var numbers = bindings.numbers(search.endpoint, boundTo: search.flow.destination)
                while let number = numbers.next() {
                    if number != anyName, matches(pointer, by: number, search, bindings) {
                        search.best = position
                        search.pattern = number
                        return
                    }
                }
            }
            place &+= 1
        }
    }
}
