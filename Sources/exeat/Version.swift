import ArgumentParser
import Daemon

struct Version: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "The version.")

    mutating func run() { print(ExeatVersion.text) }
}
