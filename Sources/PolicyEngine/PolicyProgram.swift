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

    /// The blocks of one tier, up to `end` among all, in order.
    struct Section {
        let tier: TierRecord
        var end: Int
        /// Some policy makes the default action count.
        var counts: Bool
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
    /// Profiles allow everything, and nothing stands before them.
    let isOpen: Bool
    /// By a rule, or as none could allow them.
    let deniesNames: Bool

    // The compiler's own.
    /// Endpoints that use it, enforced or staged.
    var users = 0
    /// Of the contents of its address sets.
    var contentHash: UInt64 = 0

    private let memory: UnsafeMutableRawPointer
    private let byteCount: Int
    private let pool: ProgramMemory

    init(
        key: ProgramKey, blocks: consuming ContiguousArray<PolicyBlock>, sections: [Section], _ ending: Ending, _ pool: ProgramMemory,
        _ scratch: ProgramScratch
    ) {
        self.key = key
        self.pool = pool
        let plan = ProgramPlan(blocks, sections, ending, scratch)
        tierBlockCount = plan.tierBlockCount
        sets = plan.sets
        structureHash = plan.structureHash
        isOpen = plan.isOpen
        deniesNames = !plan.flags.isDisjoint(with: [.deniesNames, .asksForAllowed])
        unsafe (memory, byteCount, view) = plan.write(pool)
        self.blocks = blocks
    }

    deinit { unsafe pool.put(memory, byteCount) }
}
