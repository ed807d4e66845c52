import ArgumentParser
import Datastores
import Foundation
import PolicyModel
import PolicyTools
import Telemetry

struct PolicyTestCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "test", abstract: "Run policy unit tests. Exit 0 all passed, 1 some failed, 2 bad input.",
        discussion: "docs/policy-testing.md describes the files.")

    @Argument(help: "Files of tests.")
    var files: [String]

    @Flag(help: "Print JSON lines: one for each check, then a summary.")
    var json = false

    @Flag(help: "Print TAP, the Test Anything Protocol.")
    var tap = false

    @Option(help: "Write a JUnit report to this file.")
    var junit: String?

    @OptionGroup var policyOptions: PolicyOptionFlags

    func validate() throws {
        if json, tap { throw ValidationError("choose one of --json and --tap") }
    }

    mutating func run() throws {
        var problems = DiagnosticList()
        var report = TestReport()
        for file in files {
            guard let suite = Self.suite(file, self, &problems) else { continue }
            guard let resources = Self.resources(suite, &problems) else { continue }
            report.add(PolicyTestRun(suite, resources, &problems), file: file)
        }
        let errors = problems.diagnostics.filter { $0.severity == .error }
        for error in errors.sortedByLocation() { StandardError.print(TerminalText.plain(error.description)) }
        let lines = tap ? report.tapLines : json ? report.jsonLines.map(TerminalText.json) : report.textLines
        for line in lines { print(json ? line : TerminalText.plain(line)) }
        if let junit {
            do {
                try Data(report.junit.utf8).write(to: URL(filePath: junit))
            } catch {
                StandardError.print("\(junit): \(error.localizedDescription)")
                throw ExitCode(2)
            }
        }
        if problems.errorCount > 0 { throw ExitCode(2) }
        if report.failureCount > 0 { throw ExitCode(1) }
    }

    private static func suite(_ file: String, _ command: PolicyTestCommand, _ problems: inout DiagnosticList) -> PolicyTestSuite? {
        guard let data = FileManager.default.contents(atPath: file) else {
            problems.error(at: SourceLocation(file: file), field: "", "cannot be read")
            return nil
        }
        let errorsBefore = problems.errorCount
        let documents = ConfigurationDocument.nodes(yaml: Array(data), file: file, &problems)
        guard problems.errorCount == errorsBefore else { return nil }
        let suite = PolicyTestSuite(decoding: documents, file: file, options: command.policyOptions.options, &problems)
        return problems.errorCount == errorsBefore ? suite : nil
    }

    private static func resources(_ suite: PolicyTestSuite, _ problems: inout DiagnosticList) -> ResourceSet? {
        let folder = suite.file.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        let paths = suite.policies.map { $0.hasPrefix("/") || folder.isEmpty ? $0 : "\(folder)/\($0)" }
        let load = paths.isEmpty ? ResourceLoad(resources: ResourceSet(), diagnostics: []) : PolicyFolder(paths: paths).load()
        for diagnostic in load.diagnostics where diagnostic.severity == .error { problems.append(diagnostic) }
        guard load.isUsable else { return nil }
        let errorsBefore = problems.errorCount
        let resources = load.resources.adding(suite.endpoints, &problems)
        return problems.errorCount == errorsBefore ? resources : nil
    }
}
