import ArgumentParser
import Daemon

/// Started by the daemon, not by people.
struct HolderCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "holder", abstract: "Keeps the sockets of the daemon over a crash.", shouldDisplay: false)

    @Option var runtimeDirectory: String

    mutating func run() throws { try Holder.run(runtimeDirectory: runtimeDirectory) }
}
