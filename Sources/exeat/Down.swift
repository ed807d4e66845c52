import ArgumentParser
import Daemon

struct Down: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Remove enforcement: the table, the queues and the holder, whether the daemon lives or not.")

    @Option(help: "Where the daemon keeps its sockets (runtimeDirectory of its configuration).")
    var runtimeDirectory = "/run/exeat"

    mutating func run() throws {
        do {
            print(try Teardown.run(runtimeDirectory: runtimeDirectory))
        } catch {
            StandardError.print("\(error)")
            throw ExitCode(1)
        }
    }
}
