import EnforcementTesting
import PolicyModel

/// Makes a case smaller while the same kind of disagreement lasts: fewer worlds, resources, rules, criteria, names.
struct CaseMinimiser {
    private(set) var smallest: DifferentialCase
    private(set) var disagreement: Disagreement
    private let kind: Disagreement.Kind
    private var attempts = 0

    init(_ found: DifferentialCase, _ disagreement: Disagreement) {
        smallest = found
        self.disagreement = disagreement
        kind = disagreement.kind
    }

    /// The disagreement of a case as it stands, its chain run from the beginning.
    static func disagreement(of found: DifferentialCase, kind: Disagreement.Kind) -> Disagreement? {
        guard let last = found.worlds.last else { return nil }
        func reference(_ world: [Resource]) -> ReferencePolicy {
            ReferencePolicy(
                ResourceSet(world), vocabulary: found.vocabulary, unselectedAllowed: found.options.unselectedAllowed,
                exclusiveByDefault: found.options.exclusiveByDefault)
        }
        var engine = EngineUnderTest(found.options, refused: found.refused)
        var numbers: [PatternMeaning] = []
        var fingerprint: UInt64?
        for (step, world) in found.worlds.enumerated() {
            engine.move(to: world)
            if let difference = PatternMeaning.difference(engine, &numbers), kind == .numberReused { return difference }
            if step == found.worlds.count - 2 {
                fingerprint = engine.place(of: found.probe.identity).map { engine.policy.endpoints[$0].fingerprint }
            }
        }
        switch kind {
        case .numberReused: return nil
        case .endpoints: return Comparison.endpointDifference(engine, last, refused: found.refused)
        case .patternNumbers: return Comparison.numberDifference(engine, found.vocabulary)
        case .fingerprintKept:
            guard let fingerprint, let place = engine.place(of: found.probe.identity),
                engine.policy.endpoints[place].fingerprint == fingerprint
            else { return nil }
            let probe = found.probe
            let earlier = reference(found.worlds[found.worlds.count - 2]).decide(probe.identity, probe.flow, held: probe.held)
            let now = reference(last).decide(probe.identity, probe.flow, held: probe.held)
            guard let earlier, let now, earlier.isAllowed != now.isAllowed else { return nil }
            return Disagreement(.fingerprintKept, engine: "the fingerprint is as it was", reference: "\(earlier.reason), now \(now.reason)")
        default:
            var whole = EngineUnderTest(found.options, refused: found.refused)
            whole.move(to: last)
            var coverage = Coverage()
            let difference = Comparison.firstDifference(engine, whole: whole, reference(last), found.probe, &coverage)
            return difference?.kind == kind ? difference : nil
        }
    }

    /// At most some thousand attempts.
    mutating func minimise() {
        if let last = smallest.worlds.last {
            var alone = smallest
            alone.worlds = [last]
            _ = keep(alone)
        }
        var hasChanged = true
        while hasChanged, attempts < 6_000 {
            hasChanged = false
            for position in smallest.worlds.indices.reversed() where smallest.worlds.count > 1 && position < smallest.worlds.count {
                var shorter = smallest
                shorter.worlds.remove(at: position)
                if keep(shorter) { hasChanged = true }
            }
            for key in Set(smallest.worlds.joined().map(\.key)).sorted(by: { $0.description < $1.description }) {
                if keep(mapped { $0.key == key ? nil : $0 }) { hasChanged = true }
            }
            for simplification in Simplification.all {
                for key in Set(smallest.worlds.joined().map(\.key)).sorted(by: { $0.description < $1.description }) {
                    for index in 0..<simplification.placesMax {
                        var isOther = false
                        let simpler = mapped { resource in
                            guard resource.key == key, let simpler = simplification.apply(resource, index), simpler != resource else {
                                return resource
                            }
                            isOther = true
                            return simpler
                        }
                        if isOther, keep(simpler) { hasChanged = true }
                    }
                }
            }
            for name in smallest.probe.held {
                var fewer = smallest
                fewer.probe.held.removeAll { $0 == name }
                if keep(fewer) { hasChanged = true }
            }
        }
    }

    private func mapped(_ change: (Resource) -> Resource?) -> DifferentialCase {
        var result = smallest
        result.worlds = result.worlds.map { $0.compactMap(change) }
        return result
    }

    private mutating func keep(_ candidate: DifferentialCase) -> Bool {
        attempts += 1
        // A tier may not go before its policies do.
        for world in candidate.worlds {
            let tiers = Set(world.compactMap { if case .tier(let tier) = $0 { tier.name } else { nil } } + [Tier.defaultName])
            for case .policy(let policy) in world where !tiers.contains(policy.tier) { return false }
        }
        guard let disagreement = Self.disagreement(of: candidate, kind: kind) else { return false }
        self.disagreement = disagreement
        smallest = candidate
        return true
    }
}
