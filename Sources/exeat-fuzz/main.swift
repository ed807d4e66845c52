import Glibc

// exeat-fuzz [TARGET...] [--seconds N] [--seed S] [--corpus DIR]
//
// Throws seeded mutations of a corpus at the parsers and checks a property of each. Exits 0 if all held, 1 with the
// input that broke one, 2 for a wrong command line. The same seed tries the same inputs in the same order.

let options: FuzzOptions
do {
    options = try FuzzOptions(parsing: Array(CommandLine.arguments.dropFirst()))
} catch {
    CrashReport.printToStandardError(error.description)
    exit(2)
}
CrashReport.install()
var hasFailed = false
for target in options.targets {
    let share = options.seconds / Double(options.targets.count)
    hasFailed = !FuzzRun(target: target, seconds: share, options: options).run() || hasFailed
}
exit(hasFailed ? 1 : 0)
