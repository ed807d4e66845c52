import EnforcementTesting
import Testing

struct SimulationTests {
    @Test func `sixty random histories keep every invariant, and every check has run`() throws {
        var total = Simulation.Coverage()
        for seed in 1...60 as ClosedRange<UInt64> {
            var simulation = Simulation(seed: seed)
            try simulation.run(steps: 700)
            total.add(simulation.coverage)
        }
        let counts = [
            "answers": total.answers, "newFlows": total.newFlows, "allowedByName": total.allowedByName, "denied": total.denied,
            "redecisions": total.redecisions, "redecidedByDrainingName": total.redecidedByDrainingName,
            "policyChanges": total.policyChanges,
            "restarts": total.restarts, "staleStamps": total.staleStamps, "boundsReached": total.boundsReached,
        ]
        for (name, count) in counts { #expect(count > 0, "\(name)") }
    }

    @Test(arguments: SimulationFault.allCases)
    func `every defect is found within twenty histories`(fault: SimulationFault) {
        let found = (1...20 as ClosedRange<UInt64>).contains { seed in
            var simulation = Simulation(seed: seed, fault: fault)
            do {
                try simulation.run(steps: 700)
                return false
            } catch {
                return true
            }
        }
        #expect(found)
    }

    @Test func `a seed reproduces its history`() throws {
        var first = Simulation(seed: 42)
        var second = Simulation(seed: 42)
        try first.run(steps: 300)
        try second.run(steps: 300)
        #expect("\(first.coverage)" == "\(second.coverage)")
    }
}
