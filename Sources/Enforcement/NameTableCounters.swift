/// What happened to bindings since the start.
public struct NameTableCounters: Sendable {
    public var expired: UInt64 = 0
    /// Expired, but kept for the flows that they carry.
    public var drained: UInt64 = 0
    /// Taken over from the process before.
    public var recovered: UInt64 = 0
    /// Refused, by `NameTableFullness.rawValue`.
    public private(set) var full = [UInt64](repeating: 0, count: NameTableFullness.allCases.count)

    public init() {}

    mutating func note(_ fullness: NameTableFullness) { full[Int(fullness.rawValue)] += 1 }
}
