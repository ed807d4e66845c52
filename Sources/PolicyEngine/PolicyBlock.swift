import NetworkTypes

/// The compiled rules for egress of one policy or profile, for all endpoints whose source selectors drop the same ones; shared by all
/// programs that hold it. One piece of memory: rules, then their lists.
///
///     [rule][rule][rule] [ranges...][patterns...][ports...][set numbers...]
@safe
final class PolicyBlock: @unchecked Sendable {
    /// A key of the index, and the rule (from 0 in this block) that stands under it.
    struct Entry: BitwiseCopyable {
        let key: UInt64
        let rule: UInt32
    }

    /// Rises; part of the keys of programs.
    let id: UInt64
    /// Of the policy, in the order of all; of a profile 0.
    let slot: UInt32
    let ruleCount: Int
    /// Rules ascending.
    let entries: [Entry]
    let lengths: PrefixLengths
    let flags: ProgramView.Flags
    /// Rules whose destination is an address set.
    let setRuleCount: Int
    /// What it holds in the registries until nobody uses it; a number stands here as often as it was acquired.
    let heldPatterns: [PatternNumber]
    let heldSets: [UInt32]
    /// Distinct, of all conditions.
    let sets: [UInt32]
    /// Address sets of Allow rules.
    let allowedSets: [UInt32]
    /// Patterns of Allow rules, ascending: what an exclusive policy keeps for its endpoints.
    let allowedPatterns: [PatternNumber]
    /// Some rule leaves the tier.
    let passes: Bool
    /// The first rule allows everything.
    let isOpen: Bool
    /// Of the rules' meaning but for the contents of address sets.
    let hash: UInt64
    /// Programs and records that hold it; the compiler's.
    var users = 0

    private let memory: UnsafeMutableRawPointer

    init(id: UInt64, slot: UInt32, _ rules: consuming RuleCompiler) {
        self.id = id
        self.slot = slot
        ruleCount = rules.rules.count
        entries = rules.entries
        lengths = rules.lengths
        flags = rules.flags
        setRuleCount = rules.setRuleCount
        heldPatterns = rules.patterns
        heldSets = rules.sets
        sets = Array(Set(rules.sets))
        allowedSets = Array(Set(rules.allowedSets))
        allowedPatterns = Set(rules.allowedPatterns).sorted()
        passes = rules.rules.contains { $0.action == .pass }
        isOpen = rules.rules.first.map { $0.action == .allow && RuleCompiler.isUnconditional($0) } ?? false
        hash = rules.hash.value
        unsafe memory = rules.flatten()
    }

    deinit { unsafe memory.deallocate() }

    func rule(_ place: Int) -> RulePointer {
        precondition(place < ruleCount)
        return unsafe RulePointer(UnsafePointer(memory.assumingMemoryBound(to: CompiledRule.self) + place))
    }
}
