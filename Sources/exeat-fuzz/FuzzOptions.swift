/// The command line.
struct FuzzOptions {
    struct UsageError: Error, CustomStringConvertible {
        let reason: String
        var description: String {
            let targets = FuzzTarget.allCases.map(\.rawValue).joined(separator: "|")
            return "exeat-fuzz: \(reason)\nusage: exeat-fuzz [\(targets)]... [--seconds N] [--seed S] [--corpus DIR]"
        }
    }

    /// All, if none was named; they share the time.
    var targets: [FuzzTarget] = []
    var seconds = 10.0
    var seed = UInt64.random(in: 1 ... .max)
    var corpus = "Sources/exeat-fuzz/Corpus"

    init(parsing arguments: [String]) throws(UsageError) {
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            switch argument {
            case "--seconds":
                guard let text = rest.popFirst(), let value = Double(text), value > 0, value < 1e6 else {
                    throw UsageError(reason: "--seconds wants a number above 0")
                }
                seconds = value
            case "--seed":
                guard let text = rest.popFirst(), let value = UInt64(text) else { throw UsageError(reason: "--seed wants a number") }
                seed = value
            case "--corpus":
                guard let text = rest.popFirst() else { throw UsageError(reason: "--corpus wants a folder") }
                corpus = text
            default:
                guard let target = FuzzTarget(rawValue: argument) else { throw UsageError(reason: "no target '\(argument)'") }
                targets.append(target)
            }
        }
        if targets.isEmpty { targets = FuzzTarget.allCases }
    }
}
