/// How many bindings there may be and how long they live. Defaults as in docs/configuration.md.
public struct BindingLimits: Sendable, Hashable {
    /// A TTL below this counts as this.
    public var floorSeconds: UInt32 = 5
    /// A TTL above this counts as this, also in the answer that the client gets.
    public var ceilingSeconds: UInt32 = 86_400
    /// Added to every lease, for clients that connect at the last moment.
    public var graceSeconds: UInt32 = 10
    /// Of one client. When newer addresses come, those drain that would end first, a sixteenth of the limit at a time.
    public var addressesPerName = 4_096
    public var namesPerClient = 8_192
    /// No client may take more of the node's bindings than this.
    public var bindingsPerClient = 65_536
    /// Bindings that ended and may carry flows still. Beyond it, what no flow uses goes first, then what ended first.
    public var drainingPerClient = 4_096
    public var bindings = 262_144
    /// How long an ended binding is remembered, so that the name can be resolved again when its client still dials the address; 0: not at all.
    public var redialSeconds: UInt32 = 60
    /// Of one client. Beyond it an ended binding is not remembered.
    public static let rememberedPerClient = 1_024

    public init() {}

    /// A renewal that would lengthen a lease by less than this is left out: a second, but no more than half of the grace, so that
    /// a lease is always longer than the TTL that was handed out.
    public var renewalSlackNanoseconds: UInt64 { min(1_000_000_000, UInt64(graceSeconds) * 500_000_000) }

    /// How long a binding learned with this TTL lives, in seconds.
    public func leaseSeconds(timeToLive: UInt32) -> UInt64 {
        UInt64(min(max(timeToLive, floorSeconds), max(ceilingSeconds, floorSeconds))) + UInt64(graceSeconds)
    }
}
