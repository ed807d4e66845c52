import EnforcementTesting
import Testing

struct SimulationTests {
    @Test func `random histories keep every invariant, and every event and check has happened`() throws {
        var total = SimulationCoverage()
        // Some events are rare: as many histories more as it takes.
        for seed in 1...600 as ClosedRange<UInt64> where seed <= 60 || SimulationEvent.allCases.contains(where: { total[$0] == 0 }) {
            var simulation = Simulation(seed: seed)
            try simulation.run(steps: 700)
            total.add(simulation.coverage)
        }
        for event in SimulationEvent.allCases { #expect(total[event] > 0, "\(event.label)") }
    }

    @Test(arguments: SimulationFault.allCases)
    func `every defect is found within eighty histories, by the check of the invariant that it breaks`(fault: SimulationFault) {
        var found: Set<SimulationInvariant> = []
        for seed in 1...80 as ClosedRange<UInt64> where found.isDisjoint(with: fault.invariants) {
            var simulation = Simulation(seed: seed, fault: fault)
            do throws(Simulation.Failure) {
                try simulation.run(steps: 700)
            } catch {
                found.insert(error.invariant)
            }
        }
        #expect(!found.isDisjoint(with: fault.invariants), "found: \(found.map(\.rawValue).sorted())")
    }

    @Test func `there is a defect for every invariant`() {
        let found = Set(SimulationFault.allCases.flatMap(\.invariants))
        #expect(found == Set(SimulationInvariant.allCases))
    }

    @Test func `a seed reproduces its history`() throws {
        var first = Simulation(seed: 42)
        var second = Simulation(seed: 42)
        try first.run(steps: 300)
        try second.run(steps: 300)
        #expect(first.coverage == second.coverage)
    }
}
