import EnforcementTesting

/// What one of several threads found out: every so-many-th chain of a run.
struct LaneResult: Sendable {
    var coverage = Coverage()
    var chains = 0
    var conflicts: [String] = []
    var found: (DifferentialCase, Disagreement)?

    static func run(seed: UInt64, lane: Int, of lanes: Int, triplesMin: Int) -> LaneResult {
        var result = LaneResult()
        var chain = lane
        while result.found == nil, result.coverage.triples < triplesMin / lanes + 1 {
            var run = DifferentialRun(seed: seed &* 1_000_003 &+ UInt64(chain))
            result.found = run.run()
            result.coverage.merge(run.coverage)
            result.conflicts += run.conflicts
            result.chains += 1
            chain += lanes
        }
        return result
    }

    mutating func merge(_ other: LaneResult) {
        coverage.merge(other.coverage)
        chains += other.chains
        conflicts += other.conflicts
        found = found ?? other.found
    }
}
