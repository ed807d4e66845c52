import ArgumentParser
import DNSInterceptor
import DemoNetwork
import Enforcement
import Foundation
import NetworkTypes

struct LearnCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "learn",
        abstract:
            "What learning and publishing adds to a forwarded answer of one and of 24 addresses, with 10,000 foreign nft chains on the node."
    )

    @OptionGroup var options: BenchOptions

    mutating func run() throws { print(try Self.measure(options).markdown) }

    static func measure(_ options: BenchOptions) throws -> ResultTable {
        var table = ResultTable()
        for (zone, addresses) in [(BenchPolicy.zone, 1), (BenchPolicy.manyZone, 24)] {
            let times = try times(zone, options)
            let high = times.quantile(0.99)
            table.add(
                .init(
                    what: "Learning and publishing \(addresses) addresses in a DNS miss, \(times.count) misses at \(rate)/s, all answered, "
                        + "\(BenchLab.foreignChains) foreign chains: what it adds to forwarding alone, each by a clock around it",
                    measured: "p50 \(times.median.rounded(1)) µs, p99 \(high.rounded(1)) µs, p99.9 \(times.quantile(0.999).rounded(1)) µs",
                    anchor: "forwarding alone: 0", bar: .stated("p99 ≤ 30 µs", isMet: high <= 30)))
        }
        return table
    }

    private static let rate = 2_000

    /// Of each answer, microseconds.
    private static func times(_ zone: String, _ options: BenchOptions) throws -> [Double] {
        let lab = try BenchLab()
        defer { lab.stop() }
        try lab.addForeignChains()
        let seconds = options.quick ? 5 : 20

        let policy = try BenchBindings.policy(lab.policyFolder)
        var limits = BindingLimits()
        // One pod does all of this, and nothing of it ends meanwhile.
        limits.namesPerClient = 65_536
        limits.bindings = 1 << 21
        limits.bindingsPerClient = 1 << 21
        let (capacity, sizes) = (seconds * rate + 1_000, limits)
        var configuration = DNSWorkerConfiguration(upstreams: [UpstreamAddress(DemoNetwork.nameServerAddresses[0])])
        configuration.cacheBytesMax = 32 << 20
        let (settings, counters) = (configuration, DNSCounters())
        let mailbox = try DNSMailbox<TimedGate>()
        let worker = try lab.network.node.startThread { () throws -> [Double] in
            let table = try BenchBindings.table(sizes)
            let gate = DNSGate(
                names: try BenchBindings.names(sizes, table, policy), policy: policy, rebinding: RebindingGuard(), allowedSources: [])
            var worker = try DNSWorker(
                configuration: settings, datagramSockets: [try DNSSockets.bindUDP(BenchLab.resolver, port: 53)],
                streamSockets: [], gate: TimedGate(gate, capacity: capacity), counters: counters, mailbox: mailbox)
            worker.run()
            return worker.finish().nanoseconds.map { Double($0) / 1_000 }
        }
        try lab.write(DNSLoad.questions(seconds * rate, series: "l", zone: zone), "questions")
        let answered: Double
        do {
            answered = try DNSLoad(
                namespace: lab.pod.namespace, server: "\(BenchLab.resolver)", port: 53, questions: lab.path("questions")
            ).run(times: 1, perSecond: rate)
        } catch {
            mailbox.stop()
            _ = try? worker.join()
            throw error
        }
        mailbox.stop()
        let times = try worker.join()
        guard Double(times.count) >= answered, counters[.cacheHits] == 0 else { throw BenchError("not every query was a miss and learned") }
        return times
    }
}
