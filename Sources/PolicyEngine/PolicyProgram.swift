import NetworkTypes
import PolicyModel

/// The ordered rules of all endpoints that the same policies, profiles and properties apply to, with their index; never changed once it is
/// made, but for what the compiler notes at it.
@safe
final class PolicyProgram: @unchecked Sendable {
    /// What becomes of flows that no tier decides.
    struct Ending: Hashable {
        var isHost = false
        var hasProfiles = false
        /// Without profiles: whether they are allowed.
        var allowsAtEnd = false
    }

    /// The blocks of one tier in order.
    struct Section {
        let tier: TierRecord
        var blocks: ContiguousArray<PolicyBlock> = []
        /// Some policy makes the default action count.
        var counts = false
        var placeHash: UInt64 = 0
    }

    let key: ProgramKey
    /// Those of tiers, then those of profiles.
    let blocks: ContiguousArray<PolicyBlock>
    let tierBlockCount: Int
    let view: UnsafeMutablePointer<ProgramView>
    /// Distinct address sets that its rules refer to.
    let sets: [UInt32]
    /// Of the meaning of its rules and their order, but for the contents of address sets.
    let structureHash: UInt64
    /// Of the places of its policies among all.
    let placeHash: UInt64
    /// Profiles allow everything, and nothing stands before them.
    let isOpen: Bool
    let deniesNames: Bool

    // The compiler's own.
    /// Endpoints that use it, enforced or staged.
    var users = 0
    /// Of the contents of its address sets.
    var contentHash: UInt64 = 0

    private let memory: UnsafeMutableRawPointer
    private let index: PositionIndex
    private let parts: PositionIndex

    init(key: ProgramKey, sections: [Section], profiles: [PolicyBlock], _ ending: Ending) {
        self.key = key
        var blocks = ContiguousArray<PolicyBlock>()
        blocks.reserveCapacity(sections.reduce(profiles.count) { $0 + $1.blocks.count })
        for section in sections { blocks += section.blocks }
        tierBlockCount = blocks.count
        blocks += profiles
        self.blocks = blocks
        let ruleCount = blocks.reduce(0) { $0 + $1.ruleCount }
        precondition(ruleCount < Int(PositionIndex.listBit), "an endpoint has fewer than 2^31 rules")

        var lengths = PrefixLengths()
        var flags: ProgramView.Flags = []
        var setRuleCount = 0
        var hash = StableHash()
        var entryCount = 0
        for block in blocks {
            lengths.formUnion(block.lengths)
            flags.formUnion(block.flags)
            setRuleCount += block.setRuleCount
            entryCount += block.entries.count
        }
        if ending.isHost { flags.insert(.isHost) }
        if ending.hasProfiles { flags.insert(.hasProfiles) }
        if ending.allowsAtEnd { flags.insert(.allowsAtEnd) }

        // Rules, tiers, blocks and prefix lengths in one piece.
        let tierStart = ruleCount * MemoryLayout<RulePointer>.stride
        let slotStart = tierStart + (sections.count * MemoryLayout<ProgramView.Tier>.stride + 7) & ~7
        let startStart = slotStart + tierBlockCount * 4
        let lengthStart = startStart + tierBlockCount * 4
        let lengthList = lengths.longestFirst
        unsafe memory = UnsafeMutableRawPointer.allocate(byteCount: max(16, lengthStart + lengthList.count), alignment: 16)
        // Sound: every part is written within what was counted for it.
        let rules = unsafe memory.assumingMemoryBound(to: RulePointer.self)
        let tiers = unsafe (memory + tierStart).assumingMemoryBound(to: ProgramView.Tier.self)
        let blockSlots = unsafe (memory + slotStart).assumingMemoryBound(to: UInt32.self)
        let blockStarts = unsafe (memory + startStart).assumingMemoryBound(to: UInt32.self)
        let lengthPlace = unsafe (memory + lengthStart).assumingMemoryBound(to: UInt8.self)
        for place in lengthList.indices { unsafe lengthPlace[place] = lengthList[place] }

        var builder = PositionIndexBuilder(capacity: entryCount)
        var position = 0
        var blockPlace = 0
        var mayEnd = true
        var place = StableHash()
        for sectionPlace in sections.indices {
            let section = sections[sectionPlace]
            let first = position
            var passes = false
            for block in section.blocks {
                unsafe blockSlots[blockPlace] = block.slot
                unsafe blockStarts[blockPlace] = UInt32(position)
                blockPlace += 1
                unsafe Self.add(block, at: position, rules, &builder)
                position += block.ruleCount
                passes = passes || block.passes
                hash.combine(block.hash)
            }
            let denies = section.tier.tier.defaultAction == .deny
            unsafe tiers[sectionPlace] = ProgramView.Tier(
                slot: section.tier.slot, first: UInt32(first), end: UInt32(position), number: section.tier.origin.first, nextDenying: 0,
                counts: section.counts, denies: denies)
            mayEnd = mayEnd && (!(section.counts && denies) || passes)
            hash.combine(section.tier.tier.name)
            hash.combine((denies ? 1 : 2) + (section.counts ? 4 : 0))
            place.combine(section.placeHash)
        }
        var nextDenying = UInt32(sections.count)
        for sectionPlace in sections.indices.reversed() {
            if unsafe tiers[sectionPlace].counts && tiers[sectionPlace].denies { nextDenying = UInt32(sectionPlace) }
            unsafe tiers[sectionPlace].nextDenying = nextDenying
        }
        let profileStart = position
        for block in profiles {
            unsafe Self.add(block, at: position, rules, &builder)
            position += block.ruleCount
        }
        // What no tier decides belongs to the policy of those only who get there.
        if mayEnd {
            hash.combine(ending.hasProfiles ? 5 : ending.allowsAtEnd ? 3 : 4)
            for block in profiles { hash.combine(block.hash) }
        }
        hash.combine(ending.isHost ? 1 : 0)
        parts = unsafe Self.parts(of: builder, rules)
        index = builder.freeze()
        unsafe view = .allocate(capacity: 1)
        unsafe view.initialize(
            to: ProgramView(
                rules: rules, index: index, parts: parts, tiers: tiers, lengths: lengthPlace, blockSlots: blockSlots,
                blockStarts: blockStarts, ruleCount: ruleCount, profileStart: profileStart, tierCount: sections.count,
                blockCount: tierBlockCount, setRuleCount: setRuleCount, lengthCount4: lengths.count4, lengthCount6: lengths.count6,
                flags: flags))
        var sets: Set<UInt32> = []
        for block in blocks where !block.sets.isEmpty { sets.formUnion(block.sets) }
        self.sets = Array(sets)
        structureHash = hash.value
        placeHash = place.value
        isOpen = tierBlockCount == 0 && !ending.isHost && (!ending.hasProfiles || profiles.first { $0.ruleCount > 0 }?.isOpen == true)
        deniesNames = flags.contains(.deniesNames)
    }

    deinit {
        unsafe view.deallocate()
        index.deallocate()
        parts.deallocate()
        unsafe memory.deallocate()
    }

    private static func add(
        _ block: PolicyBlock, at position: Int, _ rules: UnsafeMutablePointer<RulePointer>, _ builder: inout PositionIndexBuilder
    ) {
        for place in 0..<block.ruleCount { unsafe (rules + position + place).initialize(to: block.rule(place)) }
        for entry in block.entries { builder.insert(entry.key, position + Int(entry.rule)) }
    }

    /// A range of more ports is not indexed port by port.
    private static let indexedPortsMax = 16

    /// The long lists once more, by protocol and port.
    private static func parts(of builder: borrowing PositionIndexBuilder, _ rules: UnsafeMutablePointer<RulePointer>) -> PositionIndex {
        var total = 0
        var lists: [(UInt64, [Int])] = []
        builder.forEachList(longerThan: ProgramView.longList) { key, positions in
            lists.append((key, positions))
            for position in positions { total += unsafe portKeys(of: rules[position]).count }
        }
        var parts = PositionIndexBuilder(capacity: total)
        for (key, positions) in lists {
            for position in positions {
                for portKey in unsafe portKeys(of: rules[position]) { parts.insert(IndexKey.part(key, portKey), position) }
            }
        }
        return parts.freeze()
    }

    private static func portKeys(of pointer: RulePointer) -> [UInt32] {
        let rule = pointer.rule
        guard rule.transport != 0 else { return [IndexKey.anyPortKey] }
        guard rule.conditions.contains(.ports) else { return [IndexKey.portKey(rule.transport)] }
        var keys: [UInt32] = []
        for place in 0..<Int(rule.ports.count) {
            let range = pointer.element(rule.ports, place, as: PortRange.self)
            if keys.count + Int(range.upper - range.lower) >= indexedPortsMax { return [IndexKey.portKey(rule.transport)] }
            for port in range.lower...range.upper { keys.append(IndexKey.portKey(rule.transport, port)) }
        }
        return keys
    }
}
