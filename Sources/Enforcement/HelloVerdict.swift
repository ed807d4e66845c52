/// What is to be done with a packet of a flow whose name is to be seen.
public enum HelloVerdict: Sendable, Hashable, BitwiseCopyable {
    /// It may leave, and tells nothing: the flow goes on being looked at.
    case leave
    /// The flow is allowed; stamp it with this generation.
    case allow(generation: UInt16)
    /// A flow of QUIC gave a good name; its packets with long headers are looked at again.
    case allowDatagrams
    /// Refuse the flow for good, in both directions.
    case revoke
    case drop
    /// It waits for the decision.
    case hold
}
