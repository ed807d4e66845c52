/// What happened to bindings since the start.
public struct NameTableCounters: Sendable {
    /// Gone: no flow was seen for them any more.
    public var expired: UInt64 = 0
    /// Ended, and kept for the flows that they may carry.
    public var drained: UInt64 = 0
    /// Ended before their time, because their name has newer addresses than it may.
    public var evicted: UInt64 = 0
    /// Gone while draining, because their client has more of them than it may.
    public var drainingEvicted: UInt64 = 0
    /// Ended, and remembered for redials for a while.
    public var remembered: UInt64 = 0
    /// Taken over from the process before.
    public var recovered: UInt64 = 0
    /// Bindings for which the file had no room: the next process does not know them.
    public var unkept: UInt64 = 0
    /// Bindings whose name found no room in the `NameIndex`.
    public var unindexed: UInt64 = 0
    /// Refused, by `NameTableFullness.rawValue`.
    public private(set) var full = [UInt64](repeating: 0, count: NameTableFullness.allCases.count)

    public init() {}

    mutating func note(_ fullness: NameTableFullness) { full[Int(fullness.rawValue)] += 1 }
}
