import ArgumentParser
import Daemon

/// The command line.
@main
struct Exeat: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exeat",
        abstract: "Decides by domain name which destinations the workloads of this node may reach.",
        version: ExeatVersion.text,
        subcommands: [
            Run.self, Down.self, Version.self, Demo.self, Check.self, Explain.self, PolicyTestCommand.self, Diff.self, Match.self,
            Status.self,
            Endpoints.self, Bindings.self, Flows.self, Doctor.self, HolderCommand.self,
        ])

    static func main() async {
        StandardOutput.checkAtExit()
        await main(nil)
    }
}
