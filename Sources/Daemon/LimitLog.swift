import NetworkTypes

/// Says of which endpoints a limit is to be logged: each at most once a minute.
struct LimitLog {
    private static let seconds: UInt64 = 60
    /// More than this are forgotten all at once, and may be logged again.
    private static let endpointsMax = 16_384
    private var times: [String: Instant] = [:]

    /// Those that were not logged within the last minute, which they are from now on; in order.
    mutating func take(_ endpoints: Set<String>, now: Instant) -> [String] {
        times = times.filter { now.nanoseconds(since: $0.value) < Self.seconds * 1_000_000_000 }
        if times.count > Self.endpointsMax { times = [:] }
        let fresh = endpoints.filter { times[$0] == nil }.sorted()
        for endpoint in fresh { times[endpoint] = now }
        return fresh
    }
}
