import NetworkTypes

/// What happens to flows, for the FlowTable.
public enum FlowEvent: Sendable {
    /// A verdict thread has decided.
    case decided(FlowFact)
    /// Connection tracking has a new entry, or one has changed.
    case seen(FlowSight)
    /// An entry is gone; with its last counters.
    case ended(FlowSight)
    /// A walk over connection tracking begins; its entries follow as `swept`.
    case sweepBegan
    case swept(FlowSight)
    /// The walk has shown every entry, or has broken off and counts for nothing.
    case sweepEnded(isComplete: Bool)
}
