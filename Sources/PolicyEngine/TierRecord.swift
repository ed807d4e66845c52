import PolicyModel

/// A tier as the compiler keeps it. A changed tier is a new record under the same slot.
final class TierRecord {
    let tier: Tier
    /// Place of its end in the ranks.
    let slot: UInt32
    let origin: RuleOrigin
    /// Rises; part of the keys of programs.
    let id: UInt64

    init(_ tier: Tier, slot: UInt32, origin: RuleOrigin, id: UInt64) {
        self.tier = tier
        self.slot = slot
        self.origin = origin
        self.id = id
    }
}
