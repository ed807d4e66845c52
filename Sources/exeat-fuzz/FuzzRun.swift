import Glibc

/// Runs one target for its time: picks an input, mutates it, exercises it, keeps it if it led somewhere new.
struct FuzzRun {
    let target: FuzzTarget
    let seconds: Double
    let options: FuzzOptions

    /// Inputs that are mutated besides the corpus; the oldest makes room.
    private static let poolMax = 1_024
    /// An outcome is of interest this many times.
    private static let keptPerOutcome = 64

    /// False if the property was violated; the input is then on standard error.
    func run() -> Bool {
        let folder = "\(options.corpus)/\(target.folder)"
        let seeds = Corpus.load(folder)
        guard !seeds.isEmpty else {
            CrashReport.printToStandardError(
                "\(target.rawValue): no corpus in \(folder); run from the repository or name one with --corpus")
            return false
        }
        var mutator = Mutator(seed: options.seed)
        var pool = seeds.map(\.bytes)
        var seen: [FuzzTarget.Outcome: Int] = [:]
        var slowest = 0.0
        for seed in seeds where exercise(seed.bytes, named: seed.path, &seen, &slowest) == nil { return false }
        let clock = ContinuousClock()
        let end = clock.now + .seconds(seconds)
        var rounds = 0
        while rounds & 0x3f != 0 || clock.now < end {
            rounds += 1
            let first = pool[mutator.below(pool.count)]
            let input = mutator.mutate(first, with: pool[mutator.below(pool.count)], sizeMax: target.sizeMax)
            guard let times = exercise(input, named: "round \(rounds)", &seen, &slowest) else { return false }
            guard times <= Self.keptPerOutcome else { continue }
            if pool.count < Self.poolMax + seeds.count {
                pool.append(input)
            } else {
                pool[seeds.count + mutator.below(Self.poolMax)] = input
            }
        }
        print(
            "\(target.rawValue): \(rounds) inputs from \(seeds.count) seeds, \(seen.count) outcomes, slowest \(Int(slowest)) us, "
                + "seed \(options.seed)")
        return true
    }

    /// How often the outcome has been seen with this input; nil if the property was violated.
    private func exercise(
        _ input: [UInt8], named name: String, _ seen: inout [FuzzTarget.Outcome: Int], _ slowest: inout Double
    ) -> Int? {
        CrashReport.remember(input)
        let start = Self.threadMicroseconds()
        let outcome: FuzzTarget.Outcome
        do throws(FuzzTarget.Violation) {
            outcome = try target.exercise(input)
        } catch {
            report(error.reason, name)
            return nil
        }
        let elapsed = Self.threadMicroseconds() - start
        slowest = max(slowest, elapsed)
        guard elapsed < Double(target.timeMaxMilliseconds) * 1_000 else {
            report("took \(Int(elapsed)) us", name)
            return nil
        }
        let times = seen[outcome, default: 0] + 1
        seen[outcome] = times
        return times
    }

    private func report(_ reason: String, _ name: String) {
        CrashReport.printToStandardError("\(target.rawValue): \(name), seed \(options.seed): \(reason)")
        CrashReport.printInput()
    }

    /// CPU time of this thread: what others do on the machine does not count.
    private static func threadMicroseconds() -> Double {
        var time = timespec()
        unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) * 1e6 + Double(time.tv_nsec) / 1e3
    }
}
