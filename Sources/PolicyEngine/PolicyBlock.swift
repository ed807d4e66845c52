import NetworkTypes

/// The compiled rules for egress of one policy or profile, for all endpoints whose source selectors drop the same ones; shared by all
/// programs that hold it. Programs copy the rules; the lists that rules refer to stay here. One piece of memory:
///
///     [rules...][entries...][numbers of rules and sets...] [rare criteria...][ranges...][patterns...][set numbers...][ports...]
@safe
final class PolicyBlock: @unchecked Sendable {
    /// Where it is kept while programs use it: with its policy or profile, under the rules that were dropped.
    enum Owner {
        case policy(slot: UInt32)
        case profile(String)
    }

    let owner: Owner
    let dropped: [Int]
    /// Rises; part of the keys of programs.
    let id: UInt64
    /// Of the policy, in the order of all; of a profile 0.
    let slot: UInt32
    /// Of the rules' meaning but for the contents of address sets.
    let hash: UInt64
    /// Whether its policy makes the default action of the tier count.
    let counts: Bool
    let view: BlockView
    let lengths: PrefixLengths
    let flags: ProgramView.Flags
    /// Some rule leaves the tier.
    let passes: Bool
    /// The first rule allows everything.
    let isOpen: Bool
    /// What it holds in the registry until nobody uses it; a number stands here as often as it was acquired.
    let heldPatterns: [PatternNumber]
    /// Patterns of Allow rules, ascending: what an exclusive policy keeps for its endpoints.
    let allowedPatterns: [PatternNumber]
    /// Programs and records that hold it; the compiler's.
    var users = 0

    private let memory: UnsafeMutableRawPointer

    init(id: UInt64, owner: Owner, dropped: [Int], counts: Bool, _ rules: consuming RuleCompiler) {
        self.id = id
        self.owner = owner
        self.dropped = dropped
        slot = if case .policy(let slot) = owner { slot } else { 0 }
        self.counts = counts
        lengths = rules.lengths
        flags = rules.flags
        heldPatterns = rules.patterns
        allowedPatterns = Set(rules.allowedPatterns).sorted()
        passes = rules.rules.contains { $0.action == .pass }
        isOpen = rules.rules.first.map { $0.action == .allow && RuleCompiler.isUnconditional($0) } ?? false
        hash = rules.hash.value
        unsafe (memory, view) = rules.flatten()
    }

    deinit { unsafe memory.deallocate() }

    // Sound: the counts belong to the pointers.

    /// As often as they were acquired.
    var heldSets: [UInt32] { (0..<view.setCount).map { unsafe view.sets[$0] } }
    var allowedSets: [UInt32] { (0..<view.allowedSetCount).map { unsafe view.allowedSets[$0] } }
}
