import ArgumentParser
import Daemon

struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "The daemon: enforce policy until a signal ends it.")

    @Option(help: "The configuration file.")
    var config = "/etc/exeat/exeat.yaml"

    @OptionGroup var pretend: PretendOptions

    mutating func run() async throws {
        let lacking = try pretend.lacking()
        do {
            try await ExeatDaemon.run(configurationFile: config, lacking: lacking)
        } catch {
            StandardError.print("\(error)")
            throw ExitCode(1)
        }
    }
}
