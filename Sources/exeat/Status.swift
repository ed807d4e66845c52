import ArgumentParser

struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "What the running daemon does and how it is.")
    @OptionGroup var options: DaemonOptions

    mutating func run() throws {
        try options.ask("status") { row in row.names.map { "\($0): \(row[$0])" }.joined(separator: "\n") }
    }
}

struct Endpoints: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "The endpoints that the running daemon knows.")
    @OptionGroup var options: DaemonOptions

    mutating func run() throws {
        try options.ask("endpoints") { row in
            row.column("endpoint", 32) + row.column("interface", 16) + row.column("addresses", 40) + "generation "
                + row.column("generation", 6)
                + (row["policed"] == "1" || row["policed"] == "true" ? "policed" : "not policed")
        }
    }
}

struct Bindings: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Which endpoint holds which address under which name, and for how long.")
    @OptionGroup var options: DaemonOptions

    mutating func run() throws {
        try options.ask("bindings") { row in
            row.column("endpoint", 32) + row.column("name", 36) + row.column("address", 40) + row.column("state", 10)
                + "\(Double(row["remaining_milliseconds"]).map { $0 / 1000 } ?? 0) s"
        }
    }
}

struct Flows: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "The last decisions, oldest first.")
    @OptionGroup var options: DaemonOptions
    @Flag(help: "Go on with new ones.")
    var follow = false

    mutating func run() throws {
        try options.ask(follow ? "flows follow" : "flows") { row in
            row.column("time", 28) + row.column("verdict", 11) + row.column("reason", 22) + "\(row["namespace"])/\(row["endpoint"]) -> "
                + "\(row["destination"]) \(row["protocol"]) \(row["destination_port"]) \(row["names"]) \(row["policy"]) \(row["rule"])"
        }
    }
}
