/// What becomes of a packet that was given to the name check.
public enum NameAction: Hashable, Sendable {
    /// It bears no data: it may leave, and tells nothing.
    case pass
    /// It brings nothing that does not already wait, or (a SYN whose data is not the whole hello) it must come again without data: it is
    /// dropped without an answer.
    case drop
    /// It stays in the queue without a verdict until the decision.
    case hold
    /// The flow was decided a moment ago: the packet gets the verdict that `settle` was told.
    case settled(isAllowed: Bool)
    /// The caller asks policy, gives all packets of the decision their verdict and calls `settle`.
    case decided(NameDecision)
}
