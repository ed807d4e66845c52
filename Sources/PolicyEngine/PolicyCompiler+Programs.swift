import NetworkTypes
import PolicyModel

/// Which policies each endpoint has, and the program that they make.
extension PolicyCompiler {
    // MARK: Numbers of endpoints

    /// Asks for the numbers of endpoints and keeps the list of those that have one.
    mutating func number(
        _ resourceChanges: ResourceChanges, asksForAll: Bool, _ changes: inout Changes, _ identify: (String) -> EndpointID?
    ) {
        var keys: [ResourceKey] = []
        var seen: Set<ResourceKey> = []
        for resource in resourceChanges.upserts {
            switch resource {
            case .workloadEndpoint, .hostEndpoint: if seen.insert(resource.key).inserted { keys.append(resource.key) }
            default: break
            }
        }
        // Where endpoints went, there may be room for those that found none. New ones have been seen above, in the order of the resources.
        let hasRoom = resourceChanges.removals.contains { $0.kind == .workloadEndpoint || $0.kind == .hostEndpoint }
        if asksForAll || hasRoom {
            for (key, record) in endpoints where (asksForAll || record.position == nil) && !seen.contains(key) { keys.append(key) }
        }
        for key in keys {
            guard let record = endpoints[key] else { continue }
            let id = identify(record.info.identity)
            if id == record.id, record.position != nil || id == nil { continue }
            changes.population = true
            changes.endpoints.insert(key)
            record.id = id
            if id == nil {
                withdraw(record)
                use(nil, at: \.program, of: record, &changes)
                use(nil, at: \.staged, of: record, &changes)
            }
        }
    }

    // MARK: Selection

    /// More changed policies than this, and every endpoint is looked at anew.
    private static let slotsMax = 64

    private static let selectionsMax = 4_096

    mutating func assignPrograms(_ changes: inout Changes) {
        if changes.slots.count > Self.slotsMax { changes.all = true }
        if changes.all || changes.order || changes.sources || !changes.slots.isEmpty || selections.count > Self.selectionsMax {
            selections = [:]
        }
        var memo = StagedMemo()
        if changes.all {
            for record in endpoints.values where record.id != nil { select(record, &changes) }
        } else {
            for key in changes.endpoints {
                if let record = endpoints[key], record.id != nil { select(record, &changes) }
            }
            if !changes.slots.isEmpty { exchangePolicies(&changes) }
        }
        for slot in exclusiveSlots {
            // Its names count whether or not it selects anybody.
            if let record = records[Int(slot)], record.blocks[[]] == nil { _ = block(of: record, dropping: []) }
        }
        guard !stagedSlots.isEmpty || changes.staged else { return }
        let targeted = targetedSlots()
        for record in endpoints.values where record.id != nil {
            let staged = stagedProgram(of: record, targeted, &memo, &changes)
            use(staged, at: \.staged, of: record, &changes)
        }
    }

    /// Finds all policies of an endpoint by its labels.
    private mutating func select(_ record: EndpointRecord, _ changes: inout Changes) {
        let labels = record.info.effectiveLabels
        let words = selectedWords(labels)
        let key = SelectionKey(words: words, profiles: record.info.profiles, isHost: record.info.isHost)
        if let known = selections[key], let program = known.program, program.users > 0 {
            record.stagedSlots = known.stagedSlots
            use(program, at: \.program, of: record, &changes)
            return
        }
        var staged: [UInt32] = []
        var blocks = ContiguousArray<PolicyBlock>()
        // Whether all endpoints with these policies have the same rules.
        var isShared = record.info.profiles.allSatisfy { profile($0)?.sourceConditions.isEmpty ?? true }
        for place in words.indices {
            var bits = words[place]
            while bits != 0 {
                let slot = order[place * 64 + bits.trailingZeroBitCount]
                bits &= bits - 1
                guard let policy = records[Int(slot)] else { continue }
                if policy.isStaged {
                    staged.append(slot)
                } else {
                    isShared = isShared && policy.sourceConditions.isEmpty
                    blocks.append(block(of: policy, for: labels))
                }
            }
        }
        record.stagedSlots = staged
        let program = program(blocks, for: record)
        if isShared { selections[key] = Selection(program: program, stagedSlots: staged) }
        use(program, at: \.program, of: record, &changes)
    }

    /// The policies for egress that the labels are selected by: a bit for each place in the order.
    private func selectedWords(_ labels: [String: String]) -> [UInt64] {
        var words = [UInt64](repeating: 0, count: (order.count + 63) / 64)
        policyIndex.forEachCandidate(labels) { slot in
            let rank = ranks[Int(slot)]
            let (word, bit) = (Int(rank / 64), UInt64(1) << UInt64(rank % 64))
            if words[word] & bit == 0, isUniversal[Int(slot)] || records[Int(slot)]?.selector.matches(labels) == true { words[word] |= bit }
        }
        return words
    }

    private struct Exchange: Hashable {
        let program: ObjectIdentifier
        let blocks: [UInt64]
    }

    /// Puts changed policies into the programs that had them or get them; endpoints with the same program mostly go the same way.
    private mutating func exchangePolicies(_ changes: inout Changes) {
        var memo: [Exchange: PolicyProgram] = [:]
        var hadSome: [ObjectIdentifier: Bool] = [:]
        let changed = changes.slots.compactMap { records[Int($0)] }.filter { $0.governsEgress }
        for (key, record) in endpoints where !changes.endpoints.contains(key) {
            guard let old = record.program else { continue }
            let labels = record.info.effectiveLabels
            let selecting = changed.filter { $0.selector.matches(labels) }
            if changes.staged {
                record.stagedSlots.removeAll { changes.slots.contains($0) }
                record.stagedSlots += selecting.filter(\.isStaged).map(\.slot)
                record.stagedSlots.sort()
            }
            let added = selecting.filter { !$0.isStaged }.map { block(of: $0, for: labels) }
            let identifier = ObjectIdentifier(old)
            let had: Bool
            if let known = hadSome[identifier] {
                had = known
            } else {
                had = old.blocks[..<old.tierBlockCount].contains { changes.slots.contains($0.slot) }
                hadSome[identifier] = had
            }
            guard had || !added.isEmpty else { continue }
            let exchange = Exchange(program: identifier, blocks: added.map(\.id))
            if let known = memo[exchange] {
                use(known, at: \.program, of: record, &changes)
                continue
            }
            // Kept while this round lasts, so that its identity is not given to another.
            changes.outgoing.append(old)
            var blocks = ContiguousArray<PolicyBlock>()
            blocks.reserveCapacity(old.tierBlockCount + added.count)
            for place in 0..<old.tierBlockCount where !changes.slots.contains(old.blocks[place].slot) { blocks.append(old.blocks[place]) }
            for block in added { blocks.insert(block, at: place(of: block.slot, in: blocks)) }
            let new = program(blocks, for: record)
            memo[exchange] = new
            use(new, at: \.program, of: record, &changes)
        }
    }

    private func place(of slot: UInt32, in blocks: borrowing ContiguousArray<PolicyBlock>) -> Int {
        let rank = ranks[Int(slot)]
        var (low, high) = (0, blocks.count)
        while low < high {
            let middle = (low + high) / 2
            if ranks[Int(blocks[middle].slot)] < rank { low = middle + 1 } else { high = middle }
        }
        return low
    }

    // MARK: Staged policies

    struct StagedMemo {
        fileprivate struct StagedKey: Hashable {
            let program: ObjectIdentifier
            let blocks: [UInt64]
            let hasStaged: Bool
        }

        fileprivate var programs: [StagedKey: PolicyProgram?] = [:]
    }

    /// Enforced policies that a staged one would replace or remove.
    private func targetedSlots() -> Set<UInt32> {
        var targets: Set<PolicyRecord.Target> = []
        for slot in stagedSlots {
            guard let record = records[Int(slot)] else { continue }
            switch record.policy.stagedAction {
            case .set, .delete: targets.insert(record.target)
            case .learn, .ignore, nil: break
            }
        }
        guard !targets.isEmpty else { return [] }
        var slots: Set<UInt32> = []
        for record in records {
            if let record, !record.isStaged, targets.contains(record.target) { slots.insert(record.slot) }
        }
        return slots
    }

    /// What the endpoint would have if the staged policies were enforced; nil if none bears on it.
    private mutating func stagedProgram(
        of record: EndpointRecord, _ targeted: Set<UInt32>, _ memo: inout StagedMemo, _ changes: inout Changes
    ) -> PolicyProgram? {
        guard let program = record.program else { return nil }
        let labels = record.info.effectiveLabels
        let added = record.stagedSlots.compactMap { slot -> PolicyBlock? in
            guard let staged = records[Int(slot)], staged.policy.stagedAction == .set else { return nil }
            return block(of: staged, for: labels)
        }
        let key = StagedMemo.StagedKey(program: ObjectIdentifier(program), blocks: added.map(\.id), hasStaged: !record.stagedSlots.isEmpty)
        if let known = memo.programs[key] { return known }
        let tierBlocks = program.blocks[..<program.tierBlockCount]
        guard !record.stagedSlots.isEmpty || tierBlocks.contains(where: { targeted.contains($0.slot) }) else {
            memo.programs[key] = .some(nil)
            return nil
        }
        var blocks = ContiguousArray(tierBlocks.filter { !targeted.contains($0.slot) })
        for block in added { blocks.insert(block, at: place(of: block.slot, in: blocks)) }
        let staged = self.program(blocks, for: record)
        memo.programs[key] = staged
        return staged
    }

    // MARK: Blocks and programs

    private mutating func block(of record: PolicyRecord, for labels: [String: String]) -> PolicyBlock {
        if record.sourceConditions.isEmpty, let known = record.blocks[[]] { return known }
        return block(of: record, dropping: record.sourceConditions.filter { !$0.holds(labels) }.map(\.rule))
    }

    private mutating func block(of record: PolicyRecord, dropping dropped: [Int]) -> PolicyBlock {
        if let known = record.blocks[dropped] { return known }
        let policy = record.policy
        var compiler = RuleCompiler(
            identity: policy.identity, namespace: policy.namespace, deniesByName: policy.deniesByName,
            nameVerification: policy.nameVerification ?? options.nameVerification, namePorts: policy.namePorts)
        add(policy.egress, record.origin, dropping: dropped, to: &compiler)
        compiler.add(policy.queryPolicy, queryNames: policy.queryNames, &patterns)
        let block = PolicyBlock(
            id: newID(), owner: .policy(slot: record.slot), dropped: dropped, counts: policy.impliesDefault, compiler)
        block.users = 1
        record.blocks[dropped] = block
        return block
    }

    private mutating func block(of record: ProfileRecord, for labels: [String: String]) -> PolicyBlock {
        let dropped = record.sourceConditions.filter { !$0.holds(labels) }.map(\.rule)
        if let known = record.blocks[dropped] { return known }
        var compiler = RuleCompiler(identity: record.profile.name, namespace: nil, deniesByName: false)
        add(record.profile.egress, record.origin, dropping: dropped, to: &compiler)
        let block = PolicyBlock(id: newID(), owner: .profile(record.profile.name), dropped: dropped, counts: false, compiler)
        block.users = 1
        record.blocks[dropped] = block
        return block
    }

    private mutating func add(_ rules: [PolicyRule], _ origin: RuleOrigin, dropping dropped: [Int], to compiler: inout RuleCompiler) {
        for place in rules.indices where !dropped.contains(place) {
            compiler.add(rules[place], place: place, number: origin.first + UInt32(place), &patterns, &sets)
        }
    }

    /// The program of these blocks, in order, with the profiles of the endpoint.
    private mutating func program(_ tierBlocks: consuming ContiguousArray<PolicyBlock>, for endpoint: EndpointRecord) -> PolicyProgram {
        let info = endpoint.info
        var ending = PolicyProgram.Ending(isHost: info.isHost, hasProfiles: !info.profiles.isEmpty)
        ending.allowsAtEnd = !info.isHost && info.profiles.isEmpty && options.unselectedAllowed
        var blocks = tierBlocks
        var parts = ContiguousArray<UInt64>()
        parts.reserveCapacity(blocks.count + info.profiles.count + 8)
        var sections: [PolicyProgram.Section] = []
        var place = 0
        while place < blocks.count {
            guard let first = records[Int(blocks[place].slot)], let tier = tiers[first.policy.tier] else {
                preconditionFailure("a block in use has its policy, and that its tier")
            }
            // Tiers stand behind their policies: one place tells where the section ends.
            let tierRank = ranks[Int(tier.slot)]
            var section = PolicyProgram.Section(tier: tier, end: place, counts: false)
            parts.append(tier.id)
            while place < blocks.count, ranks[Int(blocks[place].slot)] < tierRank {
                parts.append(blocks[place].id)
                if blocks[place].counts { section.counts = true }
                place += 1
            }
            section.end = place
            sections.append(section)
        }
        parts.append(0)
        for name in info.profiles {
            guard let profile = profile(name) else { continue }
            blocks.append(block(of: profile, for: info.effectiveLabels))
            parts.append(blocks[blocks.count - 1].id)
        }
        parts.append((ending.isHost ? 1 : 0) | (ending.hasProfiles ? 2 : 0) | (ending.allowsAtEnd ? 4 : 0))
        let key = ProgramKey(parts)
        if let known = programs[key] { return known }
        let program = PolicyProgram(key: key, blocks: blocks, sections: sections, ending, programMemory, scratch)
        for place in program.blocks.indices { program.blocks[place].users += 1 }
        programs[key] = program
        return program
    }

    // MARK: Use

    /// Gives the endpoint a program in place of the one that it had.
    mutating func use(
        _ program: PolicyProgram?, at path: ReferenceWritableKeyPath<EndpointRecord, PolicyProgram?>, of record: EndpointRecord,
        _ changes: inout Changes
    ) {
        let old = record[keyPath: path]
        guard old !== program else { return }
        program?.users += 1
        if let old {
            old.users -= 1
            if old.users == 0 { changes.outgoing.append(old) }
        }
        record[keyPath: path] = program
        changes.programs = true
    }

    /// Lets go of programs and blocks that nobody uses, and of the patterns and sets that only they held.
    mutating func release(_ changes: inout Changes) {
        for program in changes.outgoing where program.users == 0 && programs[program.key] === program {
            programs[program.key] = nil
            for block in program.blocks { release(block) }
        }
        for block in changes.dropped { release(block) }
        changes.outgoing = []
        changes.dropped = []
        for number in changes.droppedPatterns { patterns.release(number) }
        changes.droppedPatterns = []
        if profiles.count > 64 + resources.count { purgeProfiles() }
    }

    private mutating func release(_ block: PolicyBlock) {
        block.users -= 1
        // Nobody is left but the record that keeps it.
        if block.users == 1, forget(block) { block.users = 0 }
        guard block.users == 0 else { return }
        for number in block.heldPatterns { patterns.release(number) }
        for number in block.heldSets { sets.release(number) }
    }

    /// Takes a block from its record, which makes it anew if it is wanted again. False if the record needs it, or does not have it any more.
    private func forget(_ block: PolicyBlock) -> Bool {
        switch block.owner {
        case .policy(let slot):
            guard let record = records[Int(slot)], record.blocks[block.dropped] === block else { return false }
            if record.isExclusive, block.dropped.isEmpty { return false }
            record.blocks[block.dropped] = nil
        case .profile(let name):
            guard let record = profiles[name], record.blocks[block.dropped] === block else { return false }
            record.blocks[block.dropped] = nil
        }
        return true
    }

    private mutating func purgeProfiles() {
        var used: Set<String> = []
        for record in endpoints.values { used.formUnion(record.info.profiles) }
        for (name, record) in profiles where !used.contains(name) && resources[ResourceKey(.profile, name: name)] == nil {
            for block in record.blocks.values { release(block) }
            ruleNumbers.release(record.origin)
            profiles[name] = nil
        }
    }
}
