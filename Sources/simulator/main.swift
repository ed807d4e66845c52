import ArgumentParser
import Dispatch
import EnforcementTesting
import Glibc
import Synchronization

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

    @Option(help: "How many run at a time (default: one for each processor).")
    var jobs = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))

    @Flag(help: "Go on after a failure.")
    var all = false

    @Option(help: "Put a defect in, which must be found: \(SimulationFault.allCases.map(\.rawValue).joined(separator: ", ")).")
    var fault: String?

    /// What the threads share.
    private struct Progress {
        var next: UInt64
        var coverage = SimulationCoverage()
        var failures: [Simulation.Failure] = []
    }

    mutating func validate() throws {
        guard jobs > 0 else { throw ValidationError("--jobs must be at least 1") }
        guard from.addingReportingOverflow(seeds).overflow == false else { throw ValidationError("--seeds is too large") }
    }

    mutating func run() throws {
        let injected = try fault.map { name in
            guard let fault = SimulationFault(rawValue: name) else { throw ValidationError("unknown fault \(name)") }
            return fault
        }
        let (steps, end, all) = (steps, from + seeds, all)
        let progress = Mutex(Progress(next: from))
        DispatchQueue.concurrentPerform(iterations: jobs) { _ in
            while true {
                let seed = progress.withLock { progress -> UInt64? in
                    guard progress.next < end, all || progress.failures.isEmpty else { return nil }
                    progress.next += 1
                    return progress.next - 1
                }
                guard let seed else { return }
                var simulation = Simulation(seed: seed, fault: injected)
                var failure: Simulation.Failure?
                do throws(Simulation.Failure) {
                    try simulation.run(steps: steps)
                } catch {
                    failure = error
                }
                let coverage = simulation.coverage
                progress.withLock { progress in
                    progress.coverage.add(coverage)
                    if let failure { progress.failures.append(failure) }
                }
            }
        }
        let result = progress.withLock { $0 }
        let counts = SimulationEvent.allCases.map { "\($0.label) \(result.coverage[$0])" }.joined(separator: ", ")
        guard result.failures.isEmpty else {
            for failure in result.failures.sorted(by: { $0.seed < $1.seed }) {
                print("FAILED \(failure)\n  again: simulator --seeds 1 --from \(failure.seed) --steps \(steps)")
            }
            throw ExitCode(1)
        }
        print(counts)
        print("\(seeds) seeds from \(from), \(steps) events each: every invariant held")
    }
}

Simulator.main()
