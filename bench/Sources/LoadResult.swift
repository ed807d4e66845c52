/// What one slice of `tcp-load` gave.
struct LoadResult {
    let connections: Double
    let failed: Double
    let perSecond: Double
    /// From connect(2) to the established connection, microseconds.
    let medianMicroseconds: Double
    /// CPU of the filtering process meanwhile, nanoseconds; 0 where there is none.
    let filterNanoseconds: Double

    init(_ numbers: [String: Double], filterNanoseconds: Double) {
        connections = numbers["connections"] ?? 0
        failed = numbers["failed"] ?? 0
        perSecond = connections / max(1, numbers["nanoseconds"] ?? 1) * 1e9
        medianMicroseconds = numbers["p50"] ?? 0
        self.filterNanoseconds = filterNanoseconds
    }
}
