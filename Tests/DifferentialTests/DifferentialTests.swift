import EnforcementTesting
import Foundation
import Testing

/// The policy engine against a reference evaluator that is written from the documentation and shares no code with it.
///
/// `EXEAT_SEED=n` replays the run of a printed seed; without it each run is another one.
@Suite struct DifferentialTests {
    /// More than the 200,000 that are asked for, so that rare meetings are met often enough.
    static let triplesMin = 400_000

    @Test func `engine and reference agree on random policies, endpoints and flows`() async throws {
        let given = ProcessInfo.processInfo.environment["EXEAT_SEED"]
        let seed = given.flatMap(UInt64.init) ?? UInt64.random(in: 0...999_999)
        print("seed \(seed) (EXEAT_SEED=\(seed) replays it)")
        // Chains are numbered, whoever takes them: a seed gives the same run on every machine.
        let lanes = 4
        let results = await withTaskGroup(of: LaneResult.self) { group in
            for lane in 0..<lanes { group.addTask { LaneResult.run(seed: seed, lane: lane, of: lanes, triplesMin: Self.triplesMin) } }
            return await group.reduce(into: LaneResult()) { $0.merge($1) }
        }
        print("\(results.coverage.triples) triples in \(results.chains) chains of changes agree\n\(results.coverage.table)")
        #expect(results.conflicts.isEmpty, "\(results.conflicts.prefix(5))")
        if let (found, disagreement) = results.found {
            var minimiser = CaseMinimiser(found, disagreement)
            minimiser.minimise()
            Issue.record("seed \(seed): \(minimiser.disagreement)\n\(ReadableResource.text(minimiser.smallest))")
            return
        }
        #expect(results.coverage.triples >= Self.triplesMin)
        let missing = results.coverage.missing(Coverage.wanted, atLeast: Coverage.leastOfEach)
        #expect(missing.isEmpty, "seldom or never met: \(missing)")
    }
}
