import ArgumentParser
import DomainNames
import Foundation
import PolicyModel
import Telemetry

struct Match: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Try a selector on labels, or a pattern on a name.", subcommands: [MatchSelector.self, MatchDomain.self])
}

struct MatchSelector: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "selector", abstract: "Prints true or false; exit 2 if the selector is invalid.")

    @Argument(help: "The selector.")
    var expression: String?

    @Option(help: "Labels: k=v,k=v.")
    var labels = ""

    @Flag(help: "Read rows {\"selector\":S,\"labels\":{..}} from standard input.")
    var batch = false

    mutating func run() throws {
        if batch {
            BatchRows.run { row in
                guard let text = row["selector"] as? String else { return .failure("selector is missing") }
                guard let labels = (row["labels"] ?? [:]) as? [String: String] else { return .failure("labels must be texts by name") }
                return Self.match(text, labels)
            }
            return
        }
        guard let expression else { throw ValidationError("give a selector, or --batch") }
        var parsed: [String: String] = [:]
        for pair in labels.split(separator: ",") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { throw ValidationError("\"\(pair)\" is no label: write key=value") }
            parsed[String(parts[0])] = String(parts[1])
        }
        try BatchRows.print(Self.match(expression, parsed))
    }

    private static func match(_ text: String, _ labels: [String: String]) -> BatchRows.Outcome {
        do throws(SelectorError) {
            return .match(try Selector(parsing: text).matches(labels))
        } catch {
            return .failure("\(error)")
        }
    }
}

struct MatchDomain: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "domain", abstract: "Prints true or false; exit 2 if the pattern or the name is invalid.")

    @Argument(help: "The pattern.")
    var pattern: String?

    @Argument(help: "The name.")
    var name: String?

    @Option(help: "The wildcard grammar: \(PatternDialect.allCases.map(\.rawValue).joined(separator: ", ")).")
    var dialect = PatternDialect.calico.rawValue

    @Flag(help: "Read rows {\"pattern\":P,\"name\":N,\"dialect\":D} from standard input.")
    var batch = false

    mutating func run() throws {
        if batch {
            let standard = dialect
            BatchRows.run { row in
                guard let pattern = row["pattern"] as? String else { return .failure("pattern is missing") }
                return Self.match(pattern, row["name"] as? String, row["dialect"] as? String ?? standard)
            }
            return
        }
        guard let pattern, let name else { throw ValidationError("give a pattern and a name, or --batch") }
        try BatchRows.print(Self.match(pattern, name, dialect))
    }

    /// Without a name only the pattern is checked.
    private static func match(_ pattern: String, _ name: String?, _ dialect: String) -> BatchRows.Outcome {
        guard let dialect = PatternDialect(rawValue: dialect) else {
            return .failure("unknown dialect \"\(dialect)\": \(PatternDialect.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        do {
            let pattern = try DomainPattern(parsing: pattern, dialect: dialect)
            guard let name else { return .valid }
            return .match(pattern.matches(try DomainName(parsing: name)))
        } catch {
            return .failure("\(error)")
        }
    }
}
