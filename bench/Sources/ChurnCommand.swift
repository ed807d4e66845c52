import ArgumentParser
import DemoNetwork
import Foundation
import NetworkTypes
import Synchronization

struct ChurnCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "churn",
        abstract:
            "1,000 endpoint changes a second through the files, with traffic and 10,000 foreign nft chains: when each is in the kernel.")

    @OptionGroup var options: BenchOptions

    @Option(help: "How long.")
    var seconds = 60

    @Flag(help: "Fail only on a wrong verdict or a change that was lost, not on the time that changes take.")
    var untimed = false

    mutating func run() throws {
        let (table, failure) = try Self.measure(options, seconds: seconds, isTimed: !untimed)
        print(table.markdown)
        if let failure { throw BenchError(failure) }
    }

    private static let chains = 10_000
    private static let perSecond = 1_000
    private static let podCount = 4

    static func measure(_ options: BenchOptions) throws -> ResultTable {
        let (table, failure) = try measure(options, seconds: options.quick ? 10 : 60, isTimed: true)
        if let failure { throw BenchError(failure) }
        return table
    }

    /// The figures, and what went wrong.
    private static func measure(_ options: BenchOptions, seconds: Int, isTimed: Bool) throws -> (ResultTable, failure: String?) {
        let lab = try BenchLab(servesWeb: true, podCount: podCount)
        defer { lab.stop() }
        try lab.write(
            "table ip foreign {\n" + (0..<chains).map { "chain c\($0) { ip daddr 203.0.113.1 counter; }\n" }.joined() + "}\n", "chains.nft")
        let loaded = try lab.network.node.run(["nft", "-f", lab.path("chains.nft")], timeoutSeconds: 60)
        guard loaded.isSuccess else { throw BenchError("nft: \(loaded.stderr)") }
        let feed = try ChurnFeed(lab, endpoints: perSecond)
        try lab.startDaemon(try options.program())
        for pod in lab.network.pods {
            let answer = try pod.namespace.withThread { LabClient.resolve(BenchPolicy.webName, server: BenchLab.resolver) }
            guard answer.addresses.contains(BenchPolicy.webAddress) else { throw BenchError("\(BenchPolicy.webName) does not resolve") }
        }

        let monitor = SetMonitor()
        try lab.network.node.withThread { try monitor.start() }
        let traffic = ChurnTraffic(lab.network.pods)
        traffic.start()
        let written = try feed.run(seconds: seconds, perSecond: perSecond, monitor)
        let attempts = traffic.stop()
        let events = try monitor.stop()

        let latencies = feed.latencies(events)
        let (judged, wrong) = feed.judge(attempts, events)
        let p99 = latencies.quantile(0.99)
        let rate = Double(written) / Double(seconds)
        var table = ResultTable()
        table.add(
            .init(
                what: "Endpoint changes (labels, endpoints that go and come) through the files, \(Int(rate.rounded()))/s for \(seconds) s, "
                    + "\(perSecond) endpoints, \(chains) foreign chains: from the file in place to the kernel's set `current`",
                measured: "p50 \(latencies.median.rounded(1)) ms, p99 \(p99.rounded(1)) ms, longest "
                    + "\((latencies.max() ?? 0).rounded(1)) ms, \(written - latencies.count) lost",
                anchor: "-",
                bar: .stated("p99 ≤ 100 ms at 1,000/s, none lost", isMet: p99 <= 100 && latencies.count == written && rate >= 990)))
        table.add(
            .init(
                what: "Verdicts meanwhile against what policy says: connections of \(podCount) pods whose labels change every second",
                measured: "\(judged) judged, \(wrong) wrong", anchor: "-",
                bar: .stated("none wrong", isMet: wrong == 0 && judged > seconds * podCount)))
        if wrong > 0 || judged <= seconds * podCount { return (table, "\(wrong) of \(judged) verdicts are wrong") }
        if latencies.count < written { return (table, "\(written - latencies.count) changes never reached the kernel") }
        if isTimed, p99 > 100 || rate < 990 { return (table, "p99 \(p99) ms at \(rate) changes/s") }
        return (table, nil)
    }
}
