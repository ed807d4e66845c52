import NetworkTypes
import PolicyModel

/// A program before it is written: what goes into it, gathered in one walk over its blocks.
struct ProgramPlan: ~Copyable {
    let tierBlockCount: Int
    private(set) var sets: [UInt32] = []
    private(set) var structureHash: UInt64 = 0
    private(set) var isOpen = false
    private(set) var flags: ProgramView.Flags = []

    private let scratch: ProgramScratch
    private var buffers: ProgramScratch.Buffers
    private var tiers: [ProgramView.Tier] = []
    private var lengths = PrefixLengths()
    private var profileStart = 0
    private var index: PositionIndexBuilder

    init(
        _ blocks: borrowing ContiguousArray<PolicyBlock>, _ sections: [PolicyProgram.Section], _ ending: PolicyProgram.Ending,
        _ scratch: ProgramScratch
    ) {
        self.scratch = scratch
        buffers = scratch.take()
        tierBlockCount = sections.last?.end ?? 0
        var ruleCount = 0
        var entryCount = 0
        for place in blocks.indices {
            let view = blocks[place].view
            ruleCount += view.ruleCount
            entryCount += view.entryCount + view.nameRuleCount * 2
        }
        precondition(ruleCount < Int(PositionIndex.listBit), "an endpoint has fewer than 2^31 rules")
        index = PositionIndexBuilder(capacity: entryCount, scratch.index)
        buffers.rules.reserveCapacity(ruleCount)
        gather(blocks, sections, ending)
    }

    private mutating func gather(
        _ blocks: borrowing ContiguousArray<PolicyBlock>, _ sections: [PolicyProgram.Section], _ ending: PolicyProgram.Ending
    ) {
        var hash = StableHash()
        var mayEnd = true
        var place = 0
        for section in sections {
            let first = buffers.rules.count
            var passes = false
            while place < section.end {
                let block = blocks[place]
                buffers.blockSlots.append(block.slot)
                buffers.blockStarts.append(UInt32(buffers.rules.count))
                for set in 0..<block.view.allowedSetCount { buffers.allowedSets.append(unsafe block.view.allowedSets[set]) }
                passes = passes || block.passes
                hash.combine(block.hash)
                add(block)
                place += 1
            }
            let denies = section.tier.tier.defaultAction == .deny
            tiers.append(
                ProgramView.Tier(
                    slot: section.tier.slot, first: UInt32(first), end: UInt32(buffers.rules.count), number: section.tier.origin.first,
                    nextDenying: 0, counts: section.counts, denies: denies))
            mayEnd = mayEnd && (!(section.counts && denies) || passes)
            hash.combine(section.tier.tier.name)
            hash.combine((denies ? 1 : 2) + (section.counts ? 4 : 0))
        }
        var nextDenying = UInt32(tiers.count)
        for place in tiers.indices.reversed() {
            if tiers[place].counts && tiers[place].denies { nextDenying = UInt32(place) }
            tiers[place].nextDenying = nextDenying
        }
        profileStart = buffers.rules.count
        for place in tierBlockCount..<blocks.count { add(blocks[place]) }
        // What no tier decides belongs to the policy of those only who get there.
        if mayEnd {
            hash.combine(ending.hasProfiles ? 5 : ending.allowsAtEnd ? 3 : 4)
            for place in tierBlockCount..<blocks.count { hash.combine(blocks[place].hash) }
        }
        hash.combine(ending.isHost ? 1 : 0)
        structureHash = hash.value
        if ending.isHost { flags.insert(.isHost) }
        if ending.hasProfiles { flags.insert(.hasProfiles) }
        if ending.allowsAtEnd { flags.insert(.allowsAtEnd) }
        Self.makeDistinct(&buffers.allowedSets)
        Self.makeDistinct(&buffers.sets)
        sets = Array(buffers.sets)
        var profile = tierBlockCount
        while profile < blocks.count, blocks[profile].view.ruleCount == 0 { profile += 1 }
        let opensAtEnd = ending.hasProfiles ? profile < blocks.count && blocks[profile].isOpen : ending.allowsAtEnd
        isOpen = tierBlockCount == 0 && !ending.isHost && opensAtEnd
        if isOpen { flags.insert(.isOpen) }
        if opensAnyDestination(ending) { flags.insert(.opensAnyDestination) }
    }

    /// Whether some flow to any address could be allowed: by an Allow that asks nothing of the destination's address and that a flow can get to.
    private borrowing func opensAnyDestination(_ ending: PolicyProgram.Ending) -> Bool {
        let ofDestination: CompiledRule.Conditions = [.names, .set, .net, .nets]
        /// What the rules do to flows to an address that none of them names: nil, go on behind them.
        func outcome(_ positions: Range<Int>, passes: inout Bool) -> Bool? {
            for position in positions where buffers.rules[position].conditions.isDisjoint(with: ofDestination) {
                let rule = buffers.rules[position]
                switch rule.action {
                // DNS itself is brought to Exeat, and widely opened to everywhere.
                case .allow where !(rule.conditions.contains(.port) && rule.port == PortRange(53)): return true
                case .deny where RuleCompiler.isUnconditional(rule): return false
                case .pass:
                    passes = true
                    if RuleCompiler.isUnconditional(rule) { return nil }
                case .allow, .deny, .log: break
                }
            }
            return nil
        }
        for tier in tiers {
            var passes = false
            if let decided = outcome(Int(tier.first)..<Int(tier.end), passes: &passes) {
                if decided || !passes { return decided }
                continue
            }
            if tier.counts && tier.denies && !passes { return false }
        }
        var passes = false
        if let decided = outcome(profileStart..<buffers.rules.count, passes: &passes) { return decided }
        return ending.allowsAtEnd
    }

    private mutating func add(_ block: PolicyBlock) {
        let view = block.view
        let start = buffers.rules.count
        // Sound: the counts belong to the pointers.
        unsafe buffers.rules.append(contentsOf: UnsafeBufferPointer(start: view.rules, count: view.ruleCount))
        for place in 0..<view.entryCount {
            let entry = unsafe view.entries[place]
            index.insert(entry.key, start + Int(entry.rule))
        }
        for place in 0..<view.nameRuleCount {
            let entry = unsafe view.nameRules[place]
            guard buffers.admissions.insert(entry.key).inserted else { continue }
            let family = unsafe view.rules[Int(entry.rule)].family
            if family != 6 { index.insert(IndexKey.names(.v4), start + Int(entry.rule)) }
            if family != 4 { index.insert(IndexKey.names(.v6), start + Int(entry.rule)) }
        }
        for place in 0..<view.setRuleCount { buffers.setRules.append(UInt32(start) + (unsafe view.setRules[place])) }
        for place in 0..<view.setCount { buffers.sets.append(unsafe view.sets[place]) }
        lengths.formUnion(block.lengths)
        flags.formUnion(block.flags)
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

    /// Everything in one piece of memory from the pool, the view first; with the number of bytes to be given back.
    ///
    ///     [view][tiers][lengths][rest][index][rules][parts][set rules][allowed sets][slots of blocks][starts of blocks]
    consuming func write(_ pool: ProgramMemory) -> (UnsafeMutableRawPointer, Int, UnsafeMutablePointer<ProgramView>) {
        var parts = parts()
        parts.shrink()
        index.shrink()
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
        let restStart = place(1, of: ProgramView.Rest.self)
        let indexStart = place(index.byteCount, of: UInt8.self)
        let ruleStart = place(buffers.rules.count, of: CompiledRule.self, alignment: 64)
        let partStart = place(parts.byteCount, of: UInt8.self)
        let setRuleStart = place(buffers.setRules.count, of: UInt32.self)
        let allowedStart = place(buffers.allowedSets.count, of: UInt32.self)
        let slotStart = place(buffers.blockSlots.count, of: UInt32.self)
        let startStart = place(buffers.blockStarts.count, of: UInt32.self)
        let (memory, byteCount) = unsafe pool.take(end)
        // Sound: every list is written into the part that was counted for it.
        func write<Element: BitwiseCopyable>(_ elements: [Element], at start: Int) -> UnsafeMutablePointer<Element> {
            let base = unsafe (memory + start).bindMemory(to: Element.self, capacity: max(1, elements.count))
            unsafe elements.withUnsafeBufferPointer { source in
                if let first = source.baseAddress { unsafe base.initialize(from: first, count: source.count) }
            }
            return unsafe base
        }
        let view = unsafe memory.bindMemory(to: ProgramView.self, capacity: 1)
        let rest = unsafe (memory + restStart).bindMemory(to: ProgramView.Rest.self, capacity: 1)
        unsafe rest.initialize(
            to: ProgramView.Rest(
                parts: parts.freeze(into: memory + partStart), profileStart: profileStart,
                setRules: write(buffers.setRules, at: setRuleStart), allowedSets: write(buffers.allowedSets, at: allowedStart),
                blockSlots: write(buffers.blockSlots, at: slotStart), blockStarts: write(buffers.blockStarts, at: startStart),
                setRuleCount: buffers.setRules.count, allowedSetCount: buffers.allowedSets.count, blockCount: tierBlockCount))
        unsafe view.initialize(
            to: ProgramView(
                index: index.freeze(into: memory + indexStart), lengthCount4: UInt8(lengths.count4),
                lengthCount6: UInt8(lengths.count6), flags: flags, rules: write(buffers.rules, at: ruleStart),
                tiers: write(tiers, at: tierStart), lengths: write(lengthList, at: lengthStart), restPointer: rest,
                tierCount: UInt32(tiers.count), ruleCount: UInt32(buffers.rules.count)))
        scratch.put(buffers)
        return unsafe (memory, byteCount, view)
    }

    /// A range of more ports is not indexed port by port.
    private static let indexedPortsMax = 16

    /// The long lists once more, by protocol and port.
    private borrowing func parts() -> PositionIndexBuilder {
        var entries: [(key: UInt64, position: Int)] = []
        index.forEachList(longerThan: ProgramView.longList) { key, positions in
            for position in positions {
                Self.forEachPortKey(of: buffers.rules[position]) { entries.append((IndexKey.part(key, $0), position)) }
            }
        }
        var parts = PositionIndexBuilder(capacity: entries.count, scratch.parts)
        for entry in entries { parts.insert(entry.key, entry.position) }
        return parts
    }

    private static func forEachPortKey(of rule: CompiledRule, _ body: (UInt32) -> Void) {
        guard rule.transport != 0 else { return body(IndexKey.anyPortKey) }
        if rule.conditions.contains(.port), rule.port.upper - rule.port.lower < indexedPortsMax {
            for port in rule.port.lower...rule.port.upper { body(IndexKey.portKey(rule.transport, port)) }
            return
        }
        guard rule.conditions.contains(.ports) else { return body(IndexKey.portKey(rule.transport)) }
        // Sound: the rule is looked at while it lies here.
        let ports = unsafe withUnsafePointer(to: rule) { pointer in
            let pointer = unsafe RulePointer(pointer)
            return (0..<Int(rule.ports.count)).map { pointer.element(rule.ports, $0, as: PortRange.self) }
        }
        if ports.reduce(0, { $0 + Int($1.upper - $1.lower) + 1 }) > indexedPortsMax { return body(IndexKey.portKey(rule.transport)) }
        for range in ports { for port in range.lower...range.upper { body(IndexKey.portKey(rule.transport, port)) } }
    }
}
