/// What the FlowTable has done since the start.
public struct FlowTableCounters: Sendable, Hashable {
    public var began: UInt64 = 0
    public var ended: UInt64 = 0
    /// Admitted, and never seen in connection tracking: dropped by others, or not sent on.
    public var unconfirmed: UInt64 = 0
    /// Taken over from the process before.
    public var recovered: UInt64 = 0
    /// Flows for which the file had no room: the next process does not know them.
    public var unkept: UInt64 = 0
    /// Flows that found the table full.
    public var full: UInt64 = 0
    /// Flows of which no verdict was known, which were therefore decided anew.
    public var redecided: UInt64 = 0
    public var sweeps: UInt64 = 0
    /// As far as connection tracking has told.
    public var traffic = FlowTraffic.zero

    public init() {}
}
