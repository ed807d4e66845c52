import ArgumentParser
import Daemon

struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "The daemon: enforce policy until a signal ends it.")

    @Option(help: "The configuration file.")
    var config = "/etc/exeat/exeat.yaml"

    mutating func run() async throws {
        do {
            try await ExeatDaemon.run(configurationFile: config)
        } catch {
            StandardError.print("\(error)")
            throw ExitCode(1)
        }
    }
}
