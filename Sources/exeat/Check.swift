import ArgumentParser
import Daemon
import Datastores
import PolicyModel

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Validate policies, endpoints and sets, or a daemon configuration. Exit 0 good, 1 bad.")

    @Argument(help: "Files or folders of policies; a file named exeat.yaml is read as configuration.")
    var paths: [String]

    @Flag(help: "Print JSON lines.")
    var json = false

    mutating func run() throws {
        let configurations = paths.filter { $0 == "exeat.yaml" || $0.hasSuffix("/exeat.yaml") }
        let folders = paths.filter { !configurations.contains($0) }
        var diagnostics: [PolicyDiagnostic] = []
        for file in configurations {
            do throws(ConfigurationFailure) {
                _ = try ExeatConfiguration.read(file: file)
            } catch {
                diagnostics += error.diagnostics
            }
        }
        var summary = ""
        if !folders.isEmpty {
            let load = PolicyFolder(paths: folders).load()
            diagnostics += load.diagnostics
            let resources = load.resources
            summary =
                "\(resources.policies.count) policies, \(resources.networkSets.count) sets, \(resources.tiers.count) tiers, "
                + "\(resources.endpoints.count) endpoints"
        }
        for diagnostic in diagnostics { print(json ? DiagnosticLine.json(diagnostic) : diagnostic.description) }
        let errors = diagnostics.count { $0.severity == .error }
        if !json {
            let verdict = errors == 0 ? "good" : "bad: \(errors) errors"
            print([verdict, summary].filter { !$0.isEmpty }.joined(separator: "; "))
        }
        if errors > 0 { throw ExitCode(1) }
    }
}
