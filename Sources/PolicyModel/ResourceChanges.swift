/// The difference between two sets of resources: what is new or other than before, and what is gone.
public struct ResourceChanges: Sendable, Equatable {
    /// Each key at most once.
    public var upserts: [Resource]
    public var removals: [ResourceKey]

    public init(upserts: [Resource] = [], removals: [ResourceKey] = []) {
        self.upserts = upserts
        self.removals = removals
    }

    public var isEmpty: Bool { upserts.isEmpty && removals.isEmpty }
}
