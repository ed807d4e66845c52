/// What the owner of the FlowTable is to do.
public enum FlowAction: Sendable {
    /// The flow has ended: to the flow log.
    case ended(TrackedFlow)
    /// Nobody knows under what this flow was admitted. Its mark is to say "admitted once, not under today's policy": its next packet is then
    /// decided anew, by the names that drain too, and the verdict is the missing fact.
    case redecide(TrackedFlow)
}
