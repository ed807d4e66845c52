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
                + (row["policed"] == "true" ? "policed" : "not policed")
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
    static let configuration = CommandConfiguration(
        abstract: "The live flows, with what they were admitted under and what they have sent; or decisions as they are made.")
    @OptionGroup var options: DaemonOptions
    @Flag(help: "The last decisions and ends of flows, oldest first, and then new ones as they come.")
    var follow = false
    @Flag(help: "The last decisions and ends of flows, oldest first.")
    var recent = false

    mutating func run() throws {
        if follow || recent { try decisions() } else { try live() }
    }

    private func live() throws {
        try options.ask("flows live") { row in
            let address = row["destination"] + (row["destination_port"] == "0" ? "" : " \(row["destination_port"])")
            return row.column("start_time", 28) + row.column("state", 9) + "\(row["namespace"])/\(row["endpoint"]) -> "
                + "\(address) \(row["protocol"]) out \(row["bytes_out"]) B in \(row["packets_out"]) packets, "
                + "in \(row["bytes_in"]) B in \(row["packets_in"]) packets \(row["names"]) \(row["policy"]) \(row["rule"])"
        }
    }

    private func decisions() throws {
        try options.ask(follow ? "flows follow" : "flows", follows: follow) { row in
            row.column("time", 28) + row.column("verdict", 11) + row.column("reason", 22) + "\(row["namespace"])/\(row["endpoint"]) -> "
                + "\(row["destination"]) \(row["protocol"]) \(row["destination_port"]) \(row["names"]) \(row["policy"]) \(row["rule"])"
        }
    }
}
