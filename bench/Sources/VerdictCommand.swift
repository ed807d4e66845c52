import ArgumentParser
import Daemon
import DemoNetwork
import Foundation
import NetfilterQueue
import NetworkTypes

struct VerdictCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "verdict", abstract: "CPU per packet of the verdict loop.")

    @OptionGroup var options: BenchOptions

    mutating func run() throws { print(try Self.measure(options).markdown) }

    /// Who decides the packets of a run.
    enum Loop: CaseIterable {
        case exeat
        /// The C loop with our verdict: NF_REPEAT and a mark, so that our table's rules run again as they do for us.
        case repeating
        case repeatingAgain
        /// The C loop with NF_ACCEPT: the packet leaves the table at once.
        case accepting
        case acceptingAgain
    }

    private static let queue: UInt16 = 100

    static func measure(_ options: BenchOptions) throws -> ResultTable {
        let packets = options.quick ? 6_144 : 16_384
        let lab = try BenchLab()
        defer { lab.stop() }
        try lab.installTable(queue: Self.queue)
        // What arrives is dropped at once, so that neither an ICMP error nor a receiver is measured.
        try lab.write(
            "table ip bench { chain arrive { type filter hook prerouting priority -400; udp dport 10000-19999 drop; }; }\n", "drop.nft")
        guard try lab.network.internet.run(["nft", "-f", lab.path("drop.nft")]).isSuccess else { throw BenchError("nft") }

        var runs: [Loop: [[String: Double]]] = [:]
        for loop in Loop.allCases { _ = try Self.run(loop, packets, lab, options) }
        for round in 0..<BenchOptions.pairs {
            // The order moves on by one from round to round.
            for place in Loop.allCases.indices {
                let loop = Loop.allCases[(place + round) % Loop.allCases.count]
                runs[loop, default: []].append(try Self.run(loop, packets, lab, options))
            }
        }
        var cost: [Loop: [Double]] = [:]
        for (loop, results) in runs { cost[loop] = results.map { ($0["cpuNanoseconds"] ?? 0) / Double(packets) } }
        func values(_ loop: Loop) -> [Double] { cost[loop] ?? [] }
        func sum(_ loop: Loop, _ key: String) -> Double { (runs[loop] ?? []).reduce(0) { $0 + ($1[key] ?? 0) } }
        func text(_ loop: Loop) -> String { "\((values(loop).median / 1000).rounded(2)) µs" }
        let share = sum(.exeat, "userNanoseconds") / sum(.exeat, "cpuNanoseconds") * 100
        let anchorShare = sum(.repeating, "userNanoseconds") / sum(.repeating, "cpuNanoseconds") * 100

        var table = ResultTable()
        table.add(
            .init(
                what: "Verdict loop, CPU per packet, against the C loop with the same verdict (NF_REPEAT and mark)", measured: text(.exeat),
                anchor: text(.repeating), ratio: Interval(ratiosOf: values(.exeat), to: values(.repeating)),
                anchorSpread: Interval(ratiosOf: values(.repeatingAgain), to: values(.repeating)), bar: .ratioAtMost(1.10)))
        table.add(
            .init(
                what: "The same against the C loop with NF_ACCEPT: with the second run through the chain", measured: text(.exeat),
                anchor: text(.accepting), ratio: Interval(ratiosOf: values(.exeat), to: values(.accepting)),
                anchorSpread: Interval(ratiosOf: values(.acceptingAgain), to: values(.accepting)), bar: .ratioAtMost(1.25)))
        let replay = try VerdictReplay(policies: lab.policyFolder, source: lab.pod.v4).nanosecondsPerPacket(rounds: 20, packets: packets)
        let between = (runs[.exeat] ?? []).map { ($0["betweenNanoseconds"] ?? 0) / Double(packets) }
        let shares = Interval(zip(between, values(.exeat)).map { $0 / $1 * 100 })
        table.add(
            .init(
                what: "Share of user space in it: time between receiving and sending, by the clock; one decision in process (tick-sampled: "
                    + "\(share.rounded(1)) %, the C loop \(anchorShare.rounded(1)) %)",
                measured: "\(shares.text) %, \(between.median.rounded(0)) ns; \(replay.median.rounded(0)) ns", anchor: "-",
                bar: .stated("≤ 5 %", isMet: shares.median <= 5)))
        return table
    }

    /// One run: the loop is stopped, the flood fills its queue, the loop goes on and empties it. So both loops find the same backlog, take
    /// full batches of 64 and share the processor with nobody.
    private static func run(_ loop: Loop, _ packets: Int, _ lab: BenchLab, _ options: BenchOptions) throws -> [String: Double] {
        let arguments =
            switch loop {
            case .exeat:
                [
                    try BenchOptions.ownPath().path, "verdict-worker", "--queue", "\(queue)", "--packets", "\(packets)", "--policies",
                    lab.policyFolder,
                ]
            case .repeating, .repeatingAgain: [try options.anchor("nfqueue-loop"), "\(queue)", "\(packets)", "1", "repeat"]
            case .accepting, .acceptingAgain: [try options.anchor("nfqueue-loop"), "\(queue)", "\(packets)", "1"]
            }
        let program = try MeasuredProgram(arguments, in: lab.network.node, output: lab.path("loop.out"))
        try program.pause()
        try Flood.send(packets, from: lab.pod.namespace)
        try waitForBacklog(packets, lab)
        program.goOn()
        let result = try program.result()
        guard result["packets"] == Double(packets), result["errors"] == 0, result["allowed"] ?? Double(packets) == Double(packets) else {
            throw BenchError("a loop lost or refused packets: \(result)")
        }
        // The next flood may meet none of this one's flows.
        guard try lab.network.node.run(["conntrack", "-F"]).isSuccess else { throw BenchError("conntrack -F") }
        return result
    }

    private static func waitForBacklog(_ packets: Int, _ lab: BenchLab) throws {
        var waiting: UInt64 = 0
        for _ in 0..<100 {
            let all = try lab.network.node.withThread { QueueStatistics.all() }
            waiting = all.first { $0.queue == queue }?.waiting ?? 0
            if waiting == packets { return }
            usleep(5_000)
        }
        throw BenchError("of \(packets) packets \(waiting) wait in the queue")
    }
}
