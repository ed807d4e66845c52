import DomainNames
import EnforcementTesting
import NetworkTypes
import PolicyModel

/// A chain of random worlds, each compared by many questions. The same seed gives the same chain.
struct DifferentialRun {
    static let worldsPerChain = 8
    static let probesPerEndpoint = 10

    let seed: UInt64
    private(set) var coverage = Coverage()
    private(set) var conflicts: [String] = []

    init(seed: UInt64) { self.seed = seed }

    /// The first disagreement, with all that is needed to see it again.
    mutating func run() -> (DifferentialCase, Disagreement)? {
        var generator = PolicyGenerator(seed: seed, isCrowded: seed % 8 == 0)
        let options = CaseOptions(unselectedAllowed: generator.random.chance(60), exclusiveByDefault: generator.random.chance(10))
        let refused: Set<String> = generator.random.chance(10) ? ["east/pod-0", "west/pod-1/u1", "hostendpoint:host-1"] : []
        var engine = EngineUnderTest(options, refused: refused)
        var worlds = [generator.world()]
        var before: (reference: ReferencePolicy, fingerprints: [String: UInt64])?
        var numbers: [PatternMeaning] = []
        for step in 0..<Self.worldsPerChain {
            if step > 0 {
                var changes: [String] = []
                worlds.append(generator.next(after: worlds[step - 1], &changes))
                for change in changes { coverage.note("change: \(change)") }
            }
            let world = worlds[step]
            engine.move(to: world)
            var whole = EngineUnderTest(options, refused: refused)
            whole.move(to: world)
            let reference = ReferencePolicy(
                ResourceSet(world), vocabulary: generator.vocabulary, unselectedAllowed: options.unselectedAllowed,
                exclusiveByDefault: options.exclusiveByDefault)
            func found(_ probe: Probe, _ disagreement: Disagreement) -> (DifferentialCase, Disagreement) {
                (
                    DifferentialCase(
                        worlds: worlds, options: options, refused: refused, vocabulary: generator.vocabulary, probe: probe),
                    disagreement
                )
            }
            let anyProbe = Probe(
                identity: "",
                flow: ReferenceFlow(
                    source: PolicyGenerator.endpointAddresses[0],
                    destination: PolicyGenerator.outsideAddresses[0], transport: .tcp), held: [], asked: PolicyGenerator.names[0])
            if let difference = Comparison.endpointDifference(engine, world, refused: refused)
                ?? Comparison.numberDifference(engine, generator.vocabulary) ?? PatternMeaning.difference(engine, &numbers)
            {
                return found(anyProbe, difference)
            }
            for endpoint in engine.policy.endpoints where !endpoint.addresses.isEmpty {
                for _ in 0..<Self.probesPerEndpoint {
                    let (flow, held) = generator.probe(from: endpoint.addresses, in: world)
                    let probe = Probe(
                        identity: endpoint.identity, flow: flow, held: held, asked: generator.random.pick(PolicyGenerator.names))
                    if let difference = Comparison.firstDifference(engine, whole: whole, reference, probe, &coverage) {
                        return found(probe, difference)
                    }
                    // Another verdict for the same question is another policy: the fingerprint tells.
                    if let before, let earlier = before.reference.decide(probe.identity, flow, held: held),
                        let now = reference.decide(probe.identity, flow, held: held), earlier.isAllowed != now.isAllowed
                    {
                        coverage.note("verdict changed by a change of policy")
                        if before.fingerprints[probe.identity] == endpoint.fingerprint {
                            return found(
                                probe,
                                Disagreement(
                                    .fingerprintKept, engine: "the fingerprint is as it was",
                                    reference: "\(earlier.reason), now \(now.reason)"))
                        }
                    }
                }
            }
            before = (
                reference,
                Dictionary(engine.policy.endpoints.map { ($0.identity, $0.fingerprint) }, uniquingKeysWith: { first, _ in first })
            )
        }
        conflicts = generator.vocabulary.conflicts
        return nil
    }
}
