import ArgumentParser
import DemoNetwork
import Foundation
import NetworkTypes

struct ConnectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "connect",
        abstract: "TCP connect time: no filter, the daemon without and with kernel leases, the C loop on first packets.")

    @OptionGroup var options: BenchOptions

    mutating func run() throws { print(try Self.measure(options).markdown) }

    private static let queue: UInt16 = 100

    static func measure(_ options: BenchOptions) throws -> ResultTable {
        let plain = try BenchLab(servesWeb: true)
        defer { plain.stop() }
        let enforced = try BenchLab(servesWeb: true)
        defer { enforced.stop() }
        let looped = try BenchLab(servesWeb: true)
        defer { looped.stop() }
        let leased = try BenchLab(servesWeb: true, verifyName: "off")
        defer { leased.stop() }
        for lab in [enforced, leased] {
            try lab.startDaemon(try options.program(), hasLeases: lab === leased)
            let answer = try lab.pod.namespace.withThread { LabClient.resolve(BenchPolicy.webName, server: BenchLab.resolver) }
            guard answer.addresses.contains(BenchPolicy.webAddress) else { throw BenchError("\(BenchPolicy.webName) does not resolve") }
        }
        try looped.installTable(queue: queue)
        let loop = try MeasuredProgram(
            [try options.anchor("nfqueue-loop"), "\(queue)", "0", "1", "repeat"], in: looped.network.node, output: looped.path("loop.out"))
        defer { loop.process.kill() }

        let perSlice = options.quick ? 100 : 400
        let labs = [plain, enforced, looped, leased]
        var slices: [[Double]] = [[], [], [], []]
        var again: [Double] = []
        var all: [[Double]] = [[], [], [], []]
        for lab in labs { _ = try connect(20, lab) }
        for round in 0..<BenchOptions.pairs {
            for place in labs.indices {
                let index = (place + round) % labs.count
                let times = try connect(perSlice, labs[index])
                slices[index].append(times.median)
                all[index] += times
            }
            again.append(try connect(perSlice, plain).median)
        }
        func text(_ index: Int) -> String { "p50 \(all[index].median.rounded(0)) µs, p99 \(all[index].quantile(0.99).rounded(0)) µs" }
        let plainSpread = Interval(ratiosOf: again, to: slices[0])
        let (added, addedByLoop) = (all[1].median - all[0].median, all[2].median - all[0].median)
        var table = ResultTable()
        table.add(
            .init(
                what:
                    "TCP connect of an allowed name, `verify-name: observe` (the default), \(perSlice * BenchOptions.pairs) connections, against no filter: "
                    + "\(added.rounded(0)) µs added at the median",
                measured: text(1), anchor: text(0), ratio: Interval(ratiosOf: slices[1], to: slices[0]), anchorSpread: plainSpread))
        table.add(
            .init(
                what: "The same against the C loop on first packets, which adds \(addedByLoop.rounded(0)) µs", measured: text(1),
                anchor: text(2), ratio: Interval(ratiosOf: slices[1], to: slices[2]), bar: .ratioAtMost(1.10)))
        let share = try leased.metrics()["exeat_kernel_leased_flows_total"] ?? 0
        table.add(
            .init(
                what:
                    "The same name with `verify-name: off` and kernel leases (\(Int(share)) of the connections passed by one), against no filter",
                measured: text(3), anchor: text(0), ratio: Interval(ratiosOf: slices[3], to: slices[0])))
        return table
    }

    /// Connects one after the other, each a new flow; microseconds.
    private static func connect(_ count: Int, _ lab: BenchLab) throws -> [Double] {
        try lab.pod.namespace.withThread {
            var times: [Double] = []
            times.reserveCapacity(count)
            for _ in 0..<count {
                let result = LabClient.connect(to: BenchPolicy.webAddress, port: 80)
                guard result.isConnected else { throw BenchError("a connection failed: \(result.outcome)") }
                times.append(result.milliseconds * 1000)
            }
            return times
        }
    }
}
