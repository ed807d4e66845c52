import NetworkTypes
import PolicyModel

/// A program before it is written: what goes into it, gathered in one walk over its blocks.
struct ProgramPlan: ~Copyable {
    private(set) var blocks = ContiguousArray<PolicyBlock>()
    private(set) var tierBlockCount = 0
    private(set) var sets: [UInt32] = []
    private(set) var structureHash: UInt64 = 0
    private(set) var placeHash: UInt64 = 0
    private(set) var isOpen = false
    private(set) var flags: ProgramView.Flags = []

    private var rules: [CompiledRule] = []
    private var tiers: [ProgramView.Tier] = []
    private var blockSlots: [UInt32] = []
    private var blockStarts: [UInt32] = []
    private var setRules: [UInt32] = []
    private var allowedSets: [UInt32] = []
    private var lengths = PrefixLengths()
    private var profileStart = 0
    private var index: PositionIndexBuilder

    init(
        _ sections: [PolicyProgram.Section], _ profiles: [PolicyBlock], _ ending: PolicyProgram.Ending, _ scratch: inout ProgramScratch
    ) {
        var ruleCount = 0
        var entryCount = 0
        var blockCount = profiles.count
        for section in sections {
            blockCount += section.blocks.count
            for block in section.blocks {
                ruleCount += block.ruleCount
                entryCount += block.entries.count + block.nameRules.count * 2
            }
        }
        for block in profiles {
            ruleCount += block.ruleCount
            entryCount += block.entries.count + block.nameRules.count * 2
        }
        precondition(ruleCount < Int(PositionIndex.listBit), "an endpoint has fewer than 2^31 rules")
        index = PositionIndexBuilder(capacity: entryCount)
        blocks.reserveCapacity(blockCount)
        rules.reserveCapacity(ruleCount)
        blockSlots.reserveCapacity(blockCount)
        blockStarts.reserveCapacity(blockCount)
        gather(sections, profiles, ending)
    }

    private mutating func gather(_ sections: [PolicyProgram.Section], _ profiles: [PolicyBlock], _ ending: PolicyProgram.Ending) {
        var hash = StableHash()
        var place = StableHash()
        var admissions: Set<UInt64> = []
        var mayEnd = true
        for section in sections {
            let first = rules.count
            var passes = false
            for block in section.blocks {
                blockSlots.append(block.slot)
                blockStarts.append(UInt32(rules.count))
                if !block.allowedSets.isEmpty { allowedSets += block.allowedSets }
                add(block, &admissions)
                passes = passes || block.passes
                hash.combine(block.hash)
            }
            let denies = section.tier.tier.defaultAction == .deny
            tiers.append(
                ProgramView.Tier(
                    slot: section.tier.slot, first: UInt32(first), end: UInt32(rules.count), number: section.tier.origin.first,
                    nextDenying: 0, counts: section.counts, denies: denies))
            mayEnd = mayEnd && (!(section.counts && denies) || passes)
            hash.combine(section.tier.tier.name)
            hash.combine((denies ? 1 : 2) + (section.counts ? 4 : 0))
            place.combine(section.placeHash)
        }
        var nextDenying = UInt32(tiers.count)
        for place in tiers.indices.reversed() {
            if tiers[place].counts && tiers[place].denies { nextDenying = UInt32(place) }
            tiers[place].nextDenying = nextDenying
        }
        tierBlockCount = blocks.count
        profileStart = rules.count
        for block in profiles { add(block, &admissions) }
        // What no tier decides belongs to the policy of those only who get there.
        if mayEnd {
            hash.combine(ending.hasProfiles ? 5 : ending.allowsAtEnd ? 3 : 4)
            for block in profiles { hash.combine(block.hash) }
        }
        hash.combine(ending.isHost ? 1 : 0)
        structureHash = hash.value
        placeHash = place.value
        if ending.isHost { flags.insert(.isHost) }
        if ending.hasProfiles { flags.insert(.hasProfiles) }
        if ending.allowsAtEnd { flags.insert(.allowsAtEnd) }
        Self.makeDistinct(&allowedSets)
        Self.makeDistinct(&sets)
        isOpen = tierBlockCount == 0 && !ending.isHost && (!ending.hasProfiles || profiles.first { $0.ruleCount > 0 }?.isOpen == true)
    }

    private mutating func add(_ block: PolicyBlock, _ admissions: inout Set<UInt64>) {
        let start = rules.count
        rules += block.rules
        for entry in block.entries { index.insert(entry.key, start + Int(entry.rule)) }
        for entry in block.nameRules where admissions.insert(entry.key).inserted {
            let rule = block.rules[Int(entry.rule)]
            if rule.family != 6 { index.insert(IndexKey.names(.v4), start + Int(entry.rule)) }
            if rule.family != 4 { index.insert(IndexKey.names(.v6), start + Int(entry.rule)) }
        }
        for rule in block.setRules { setRules.append(UInt32(start) + rule) }
        if !block.sets.isEmpty { sets += block.sets }
        lengths.formUnion(block.lengths)
        flags.formUnion(block.flags)
        blocks.append(block)
    }

    private static func makeDistinct(_ numbers: inout [UInt32]) {
        guard numbers.count > 1 else { return }
        numbers.sort()
        var kept = 1
        for place in 1..<numbers.count where numbers[place] != numbers[kept - 1] {
            numbers[kept] = numbers[place]
            kept += 1
        }
        numbers.removeLast(numbers.count - kept)
    }

    // MARK: Writing

    /// Everything in one piece of memory, the view first; whoever calls it gives the memory back.
    ///
    ///     [view][tiers][lengths][rules][index][parts][set rules][allowed sets][slots of blocks][starts of blocks]
    consuming func write() -> (UnsafeMutableRawPointer, UnsafeMutablePointer<ProgramView>) {
        let parts = parts()
        let lengthList = lengths.longestFirst
        var end = 0
        func place<Element>(_ count: Int, of type: Element.Type, alignment: Int = 8) -> Int {
            end = (end + alignment - 1) & ~(alignment - 1)
            defer { end += count * MemoryLayout<Element>.stride }
            return end
        }
        _ = place(1, of: ProgramView.self)
        let tierStart = place(tiers.count, of: ProgramView.Tier.self)
        let lengthStart = place(lengthList.count, of: UInt8.self)
        let ruleStart = place(rules.count, of: CompiledRule.self, alignment: 64)
        let indexStart = place(index.byteCount, of: UInt8.self)
        let partStart = place(parts.byteCount, of: UInt8.self)
        let setRuleStart = place(setRules.count, of: UInt32.self)
        let allowedStart = place(allowedSets.count, of: UInt32.self)
        let slotStart = place(blockSlots.count, of: UInt32.self)
        let startStart = place(blockStarts.count, of: UInt32.self)
        let memory = UnsafeMutableRawPointer.allocate(byteCount: end, alignment: 64)
        // Sound: every list is written into the part that was counted for it.
        func write<Element: BitwiseCopyable>(_ elements: [Element], at start: Int) -> UnsafeMutablePointer<Element> {
            let base = unsafe (memory + start).bindMemory(to: Element.self, capacity: max(1, elements.count))
            unsafe elements.withUnsafeBufferPointer { source in
                if let first = source.baseAddress { unsafe base.initialize(from: first, count: source.count) }
            }
            return unsafe base
        }
        let view = unsafe memory.bindMemory(to: ProgramView.self, capacity: 1)
        let ruleBase = unsafe write(rules, at: ruleStart)
        let tierBase = unsafe write(tiers, at: tierStart)
        let lengthBase = unsafe write(lengthList, at: lengthStart)
        let setRuleBase = unsafe write(setRules, at: setRuleStart)
        let allowedBase = unsafe write(allowedSets, at: allowedStart)
        let slotBase = unsafe write(blockSlots, at: slotStart)
        let startBase = unsafe write(blockStarts, at: startStart)
        unsafe view.initialize(
            to: ProgramView(
                rules: ruleBase, index: index.freeze(into: memory + indexStart), parts: parts.freeze(into: memory + partStart),
                tiers: tierBase, lengths: lengthBase, setRules: setRuleBase, allowedSets: allowedBase, blockSlots: slotBase,
                blockStarts: startBase, ruleCount: rules.count, profileStart: profileStart, tierCount: tiers.count,
                blockCount: tierBlockCount, setRuleCount: setRules.count, allowedSetCount: allowedSets.count,
                lengthCount4: lengths.count4, lengthCount6: lengths.count6, flags: flags))
        return unsafe (memory, view)
    }

    /// A range of more ports is not indexed port by port.
    private static let indexedPortsMax = 16

    /// The long lists once more, by protocol and port.
    private borrowing func parts() -> PositionIndexBuilder {
        var entries: [(key: UInt64, position: Int)] = []
        index.forEachList(longerThan: ProgramView.longList) { key, positions in
            for position in positions {
                forEachPortKey(of: rules[position]) { entries.append((IndexKey.part(key, $0), position)) }
            }
        }
        var parts = PositionIndexBuilder(capacity: entries.count)
        for entry in entries { parts.insert(entry.key, entry.position) }
        return parts
    }

    private borrowing func forEachPortKey(of rule: CompiledRule, _ body: (UInt32) -> Void) {
        guard rule.transport != 0 else { return body(IndexKey.anyPortKey) }
        if rule.conditions.contains(.port), rule.port.upper - rule.port.lower < Self.indexedPortsMax {
            for port in rule.port.lower...rule.port.upper { body(IndexKey.portKey(rule.transport, port)) }
            return
        }
        guard rule.conditions.contains(.ports) else { return body(IndexKey.portKey(rule.transport)) }
        // Sound: the rule is looked at while it lies here.
        let ports = unsafe withUnsafePointer(to: rule) { pointer in
            let pointer = unsafe RulePointer(pointer)
            return (0..<Int(rule.ports.count)).map { pointer.element(rule.ports, $0, as: PortRange.self) }
        }
        if ports.reduce(0, { $0 + Int($1.upper - $1.lower) + 1 }) > Self.indexedPortsMax { return body(IndexKey.portKey(rule.transport)) }
        for range in ports { for port in range.lower...range.upper { body(IndexKey.portKey(rule.transport, port)) } }
    }
}
