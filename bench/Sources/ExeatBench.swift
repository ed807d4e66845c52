import ArgumentParser

/// Measures Exeat against the least that a program could do for the same work. Each subcommand is one question; see bench/README.md.
@main
struct ExeatBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exeat-bench",
        abstract: "Measure Exeat against bare C loops, unbound and dnsmasq: ratios of the same run, in network namespaces of its own.",
        subcommands: [
            AllCommand.self, VerdictCommand.self, CachedAnswerCommand.self, ResolversCommand.self, MissCommand.self, LearnCommand.self,
            ConnectCommand.self,
            TrieCommand.self,
            ChurnCommand.self, PolicyCommand.self, ThroughputCommand.self, ConnectionsCommand.self, PeersCommand.self, FloodCommand.self,
            FlowsCommand.self, SoakCommand.self,
            VerdictWorkerCommand.self,
        ],
        defaultSubcommand: AllCommand.self)
}
