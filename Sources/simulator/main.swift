import ArgumentParser
import EnforcementTesting

/// Runs the core under random histories against the reference model.
struct Simulator: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Random histories of the core against the reference model; the seed of a failure reproduces it.")

    @Option(help: "How many seeds.")
    var seeds: UInt64 = 100

    @Option(help: "The first seed.")
    var from: UInt64 = 1

    @Option(help: "Events in each run.")
    var steps = 1_500

    @Option(help: "Put a defect in, which must be found: \(SimulationFault.allCases.map(\.rawValue).joined(separator: ", ")).")
    var fault: String?

    mutating func run() throws {
        var total = Simulation.Coverage()
        let injected = try fault.map { name in
            guard let fault = SimulationFault(rawValue: name) else { throw ValidationError("unknown fault \(name)") }
            return fault
        }
        for seed in from..<(from + seeds) {
            var simulation = Simulation(seed: seed, fault: injected)
            do {
                try simulation.run(steps: steps)
            } catch {
                print("FAILED \(error)")
                throw ExitCode(1)
            }
            total.add(simulation.coverage)
        }
        print("\(seeds) seeds from \(from), \(steps) events each: every invariant held")
        print(
            "answers \(total.answers), new flows \(total.newFlows), allowed by name \(total.allowedByName), refused \(total.denied), "
                + "re-decided \(total.redecisions) (by a draining name \(total.redecidedByDrainingName)), policy changes \(total.policyChanges), "
                + "restarts \(total.restarts), limits reached \(total.boundsReached)")
    }
}

Simulator.main()
