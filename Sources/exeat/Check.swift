import ArgumentParser
import Daemon
import Datastores
import Foundation
import PolicyModel
import PolicyTools
import Telemetry

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Validate and lint policies, endpoints and sets, or a daemon configuration. Exit 0 good, 1 bad.",
        discussion: """
            A file named exeat.yaml, or the folder that holds one, is read as configuration, together with the policies and endpoints it names. \
            What is valid is linted: rules that can never match, names that nothing reaches, queries that policy refuses, selectors that \
            select nothing (docs/policy-testing.md).
            """)

    @Argument(help: "Files or folders of policies; exeat.yaml, or a folder with one.")
    var paths: [String]

    @Flag(help: "Print JSON lines.")
    var json = false

    @Flag(help: "Validate only.")
    var noLint = false

    @Flag(help: "A warning is an error.")
    var strict = false

    mutating func run() throws {
        var diagnostics: [PolicyDiagnostic] = []
        var folders: [String] = []
        var lint = PolicyLint.Options()
        var services: [(file: String, service: ServiceReference)] = []
        for path in paths {
            guard let file = Self.configurationFile(path) else {
                folders.append(path)
                continue
            }
            do throws(ConfigurationFailure) {
                let configuration = try ExeatConfiguration.read(file: file, triesAuthorities: true)
                folders += [configuration.policies] + (configuration.endpoints.map { [$0] } ?? [])
                services += configuration.upstreamServices.map { (file, $0) }
                lint.exclusiveByDefault = configuration.exclusiveDomains
                let isServed = !configuration.dns.listen.isEmpty
                lint.dns =
                    isServed && configuration.dns.intercepts
                    ? .intercepted : isServed || configuration.dns.snooping == .all ? .notIntercepted : .notServed
            } catch {
                diagnostics += error.diagnostics
            }
        }
        var summary = ""
        if !folders.isEmpty {
            let load = PolicyFolder(paths: folders).load()
            diagnostics += load.diagnostics
            let resources = load.resources
            if !noLint, load.isUsable { diagnostics += PolicyLint(resources, options: lint).findings() }
            for (file, service) in services where service.servers(in: resources.serviceEndpoints).isEmpty {
                diagnostics.append(
                    .init(
                        .warning, at: SourceLocation(file: file), field: "upstreams",
                        "no EndpointSlice of \(service) has an address: nobody is asked until one has",
                        hint: "a slice says its service in the label kubernetes.io/service-name"))
            }
            summary =
                "\(resources.policies.count) policies, \(resources.networkSets.count) sets, \(resources.tiers.count) tiers, "
                + "\(resources.endpoints.count) endpoints"
        }
        if strict { diagnostics = diagnostics.map(Self.asError) }
        for diagnostic in diagnostics {
            print(json ? TerminalText.json(DiagnosticLine.json(diagnostic)) : TerminalText.plain(diagnostic.description))
        }
        let errors = diagnostics.count { $0.severity == .error }
        if !json {
            let verdict = errors == 0 ? "good" : "bad: \(errors) errors"
            print([verdict, summary].filter { !$0.isEmpty }.joined(separator: "; "))
        }
        if errors > 0 { throw ExitCode(1) }
    }

    private static func asError(_ diagnostic: PolicyDiagnostic) -> PolicyDiagnostic {
        PolicyDiagnostic(.error, at: diagnostic.location, field: diagnostic.field, diagnostic.message, hint: diagnostic.hint)
    }

    private static func configurationFile(_ path: String) -> String? {
        if path == "exeat.yaml" || path.hasSuffix("/exeat.yaml") { return path }
        let inside = path.hasSuffix("/") ? path + "exeat.yaml" : path + "/exeat.yaml"
        return FileManager.default.fileExists(atPath: inside) ? inside : nil
    }
}
