import ArgumentParser

struct AllCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "all", abstract: "Every measurement, one table.")

    @OptionGroup var options: BenchOptions

    mutating func run() throws {
        print("Machine: \(Machine.text)\n")
        var table = ResultTable()
        let measurements: [(BenchOptions) throws -> ResultTable] = [
            VerdictCommand.measure, CachedAnswerCommand.measure, ResolversCommand.measure, MissCommand.measure, LearnCommand.measure,
            ConnectCommand.measure,
            TrieCommand.measure,
            ChurnCommand.measure, PolicyCommand.measure, ThroughputCommand.measure, ConnectionsCommand.measure, PeersCommand.measure,
            FloodCommand.measure, FlowsCommand.measure,
        ]
        for measure in measurements { table.add(try measure(options)) }
        print(table.markdown)
        print(table.meetsBars ? "\nEvery bar is met." : "\nNot every bar is met.")
    }
}
