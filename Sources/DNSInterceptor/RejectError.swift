/// The Extended DNS Error that goes with a name which policy keeps from the client: who is taken to want it so (RFC 8914 §4.16 to §4.19).
public enum RejectError: UInt16, Sendable, Hashable, CaseIterable {
    /// Whoever runs the resolver.
    case blocked = 15
    /// Somebody who may tell him to.
    case censored = 16
    /// The client.
    case filtered = 17
    /// Nobody: this client may not ask.
    case prohibited = 18
}
