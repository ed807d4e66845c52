import ArgumentParser
import Daemon
import Datastores
import PolicyModel
import PolicyTools
import Telemetry

struct Diff: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Which decisions change between two sets of policies. Exit 0 none, 1 some, 2 error or not everything compared.",
        discussion: """
            Destinations and ports are taken from the rules that bear on an endpoint in either set; see docs/policy-testing.md for which, \
            and for what bounds the comparison.
            """)

    @Argument(help: "File or folder of the policies that hold now.")
    var old: String

    @Argument(help: "File or folder of those that shall hold.")
    var new: String

    @Option(help: "Files or folders that belong to both sets: the endpoints of the node, say.")
    var endpoints: [String] = []

    @Option(help: "Compare only this endpoint: NAMESPACE/NAME.")
    var endpoint: String?

    @OptionGroup var policyOptions: PolicyOptionFlags

    @Flag(help: "Print JSON lines.")
    var json = false

    mutating func run() throws {
        let diff: PolicyDiff
        do {
            diff = try PolicyDiff(try load(old), try load(new), options: policyOptions.options, endpoint: endpoint)
        } catch {
            StandardError.print("\(error)")
            throw ExitCode(2)
        }
        for line in json ? Self.jsonLines(diff).map(TerminalText.json) : Self.textLines(diff).map(TerminalText.plain) { print(line) }
        for text in diff.leftOut { StandardError.print("left out: \(text)") }
        if !diff.isEmpty { throw ExitCode(1) }
        // What was not compared may have changed.
        if !diff.isWhole { throw ExitCode(2) }
    }

    private func load(_ path: String) throws -> ResourceSet {
        let load = PolicyFolder(paths: [path] + endpoints).load()
        guard load.isUsable else { throw ConfigurationFailure(diagnostics: load.diagnostics.filter { $0.severity == .error }) }
        return load.resources
    }

    /// Endpoints with the same changes share their lines.
    private static func textLines(_ diff: PolicyDiff) -> [String] {
        var lines = diff.removedEndpoints.map { "\($0): only in the old set" } + diff.addedEndpoints.map { "\($0): only in the new set" }
        var changesOfEndpoint: [String: [String]] = [:]
        for change in diff.changes {
            changesOfEndpoint[change.endpoint, default: []].append(
                "\(change.destination) \(change.ports.joined(separator: ", ")): \(text(change.old)) -> \(text(change.new))")
        }
        let groups = Dictionary(grouping: changesOfEndpoint.keys.sorted()) { changesOfEndpoint[$0] ?? [] }
        for (changes, endpoints) in groups.sorted(by: { $0.value.lexicographicallyPrecedes($1.value) }) {
            let shown = endpoints.prefix(8).joined(separator: ", ") + (endpoints.count > 8 ? " and \(endpoints.count - 8) more" : "")
            lines += changes.map { "\(shown) -> \($0)" }
        }
        let changed = "\(diff.changes.count) changes of \(changesOfEndpoint.count) endpoints"
        lines.append(
            "\(diff.isEmpty ? (diff.isWhole ? "nothing changes" : "nothing found, not everything was compared") : changed); \(diff.endpointCount) endpoints and \(diff.questionCount) flows compared"
        )
        return lines
    }

    private static func text(_ verdict: FlowAnswer.Verdict) -> String {
        "\(verdict.word) (\(verdict.reason.label)\(verdict.rule.map { " \($0)" } ?? ""))"
    }

    private static func jsonLines(_ diff: PolicyDiff) -> [String] {
        var lines: [String] = []
        for (endpoints, word) in [(diff.removedEndpoints, "removed"), (diff.addedEndpoints, "added")] {
            for endpoint in endpoints {
                var line = JSONLine()
                line.add("endpoint", endpoint)
                line.add("change", word)
                lines.append(line.finished)
            }
        }
        for change in diff.changes {
            var line = JSONLine()
            line.add("endpoint", change.endpoint)
            line.add("change", "verdict")
            line.add("destination", change.destination)
            line.add("ports", change.ports)
            for (name, verdict) in [("old", change.old), ("new", change.new)] {
                line.add("\(name)_verdict", verdict.word)
                line.add("\(name)_reason", verdict.reason.label)
                if let rule = verdict.rule { line.add("\(name)_rule", rule.description) }
            }
            lines.append(line.finished)
        }
        var line = JSONLine()
        line.add("changes", diff.changes.count)
        line.add("endpoints", diff.endpointCount)
        line.add("flows", diff.questionCount)
        line.add("left_out", diff.leftOut)
        return lines + [line.finished]
    }
}
