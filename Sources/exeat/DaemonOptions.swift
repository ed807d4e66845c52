import ArgumentParser
import Daemon
import Telemetry

/// Options of the commands that ask the running daemon.
struct DaemonOptions: ParsableArguments {
    @Option(help: "Where the daemon keeps its sockets (runtimeDirectory of its configuration).")
    var runtimeDirectory = "/run/exeat"

    @Flag(help: "Print JSON lines.")
    var json = false

    /// Asks, and prints each line as JSON or by `row`; those that follow what happens at once, whoever reads them.
    func ask(_ request: String, follows: Bool = false, row: (ReportRow) -> String) throws {
        do {
            try ControlClient.ask(request, runtimeDirectory: runtimeDirectory) { line in
                print(json ? TerminalText.json(line) : ReportRow(json: line).map(row) ?? TerminalText.plain(line))
                if follows { StandardOutput.flush() }
                return true
            } loss: {
                StandardError.print("\($0) lines were lost here: they came faster than they were read")
            }
        } catch {
            StandardError.print("\(error)")
            throw ExitCode(1)
        }
    }
}
