import EnforcementTesting
import PolicyModel

/// What the questions of a run met: a feature that never decided anything was not tested.
struct Coverage: Sendable {
    private(set) var counts: [String: Int] = [:]
    private(set) var triples = 0

    mutating func note(_ what: String, _ count: Int = 1) { counts[what, default: 0] += count }

    mutating func count(_ decision: ReferenceDecision) {
        triples += 1
        note("reason \(decision.reason.rawValue)")
        for field in ReferenceField.allCases {
            if decision.fields.contains(field) { note("decided with \(field)") }
            if decision.missed.contains(field) { note("missed by \(field)") }
        }
        if decision.passes > 0 { note("tier left by Pass") }
        if decision.defaultPasses > 0 { note("tier left by its default") }
        if decision.uncountedTiers > 0 { note("tier not counted") }
        if decision.loggedRules > 0 { note("rule with Log met") }
        if !decision.matchedByAddress { note("decided by name alone") }
    }

    mutating func countStaged(enforced: ReferenceDecision, staged: ReferenceDecision, _ staging: ReferencePolicy.Staging, isThere: Bool) {
        note("staging \(staging)")
        if staging == .active, enforced.isAllowed != staged.isAllowed { note("staged verdict is another") }
        if isThere { note("staged program evaluated") }
    }

    mutating func countLookup(isAnswered: Bool, couldAllow: Bool) {
        note(isAnswered ? "lookup answered" : "lookup refused")
        note(couldAllow ? "name could be allowed" : "name could not be allowed")
    }

    mutating func merge(_ other: Coverage) {
        counts.merge(other.counts, uniquingKeysWith: +)
        triples += other.triples
    }

    /// What is below its share of a run of `triples`.
    func missing(_ wanted: [String], atLeast least: Int) -> [String] { wanted.filter { counts[$0, default: 0] < least } }

    var table: String {
        counts.sorted { $0.key < $1.key }.map { key, count in
            let digits = String(count)
            return "  " + String(repeating: " ", count: max(0, 9 - digits.count)) + digits + "  " + key
        }.joined(separator: "\n")
    }
}
