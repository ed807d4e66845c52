/// Whose answers from trusted resolvers are read on their way, where DNS is not brought to the interceptor.
public enum DNSSnooping: String, Sendable, Hashable, CaseIterable {
    /// Nobody's.
    case none
    /// Those to the node's own addresses.
    case node
    /// Those to workloads as well.
    case all
}
