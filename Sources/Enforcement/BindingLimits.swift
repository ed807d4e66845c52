/// How many bindings there may be and how long they live. Defaults as in docs/configuration.md.
public struct BindingLimits: Sendable, Hashable {
    /// A TTL below this counts as this.
    public var floorSeconds: UInt32 = 5
    /// A TTL above this counts as this, also in the answer that the client gets.
    public var ceilingSeconds: UInt32 = 86_400
    /// Added to every lease, for clients that connect at the last moment.
    public var graceSeconds: UInt32 = 10
    public var addressesPerName = 4_096
    public var namesPerClient = 8_192
    /// No client may take more of the node's bindings than this.
    public var bindingsPerClient = 65_536
    public var bindings = 262_144

    public init() {}

    /// How long a binding learned with this TTL lives, in seconds.
    public func leaseSeconds(timeToLive: UInt32) -> UInt64 {
        UInt64(min(max(timeToLive, floorSeconds), max(ceilingSeconds, floorSeconds))) + UInt64(graceSeconds)
    }
}
