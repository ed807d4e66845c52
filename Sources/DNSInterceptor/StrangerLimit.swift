import NetworkTypes

/// How many of those who are no clients are told so over UDP: their addresses may be forged, and a refusal is longer than a query.
struct StrangerLimit {
    static let refusalsPerSecond = 100

    private var second: UInt64 = 0
    private var count = 0

    /// Whether one more may be told.
    mutating func take(now: Instant) -> Bool {
        let current = now.nanoseconds / 1_000_000_000
        if current != second { (second, count) = (current, 0) }
        count += 1
        return count <= Self.refusalsPerSecond
    }
}
