import ArgumentParser
import DNSInterceptor
import Daemon
import DemoNetwork
import DomainNames
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
            for hadAsMany in [false, true] {
                let (times, processor, arithmetic) = try times(zone, addresses, hadAsMany: hadAsMany, options)
                let high = times.quantile(0.99)
                table.add(
                    .init(
                        what: "Learning and publishing \(addresses) addresses in a DNS miss, \(times.count) misses at \(rate)/s, "
                            + "all answered, \(BenchLab.foreignChains) foreign chains, "
                            + (hadAsMany ? "tables that have held as many before" : "tables that are new and grow")
                            + ": what it adds to forwarding alone, each by a clock around it",
                        measured: "p50 \(times.median.rounded(1)) µs, p99 \(high.rounded(1)) µs, "
                            + "p99.9 \(times.quantile(0.999).rounded(1)) µs; by the thread's CPU time p50 "
                            + "\(processor.median.rounded(1)) µs, p99 \(processor.quantile(0.99).rounded(1)) µs",
                        anchor:
                            "forwarding alone: 0; arithmetic in registers of \(arithmeticNanoseconds(addresses) / 1_000) µs, after each answer: p50 "
                            + "\(arithmetic.median.rounded(1)) µs, p99 \(arithmetic.quantile(0.99).rounded(1)) µs, p99.9 "
                            + "\(arithmetic.quantile(0.999).rounded(1)) µs",
                        bar: .stated("p99 ≤ 30 µs", isMet: high <= 30)))
            }
        }
        try table.add(inProcess(options))
        return table
    }

    /// Without packets and without anybody else: a thread's CPU time for answers of 24 addresses that nobody has had, each name with its own.
    private static func inProcess(_ options: BenchOptions) throws -> ResultTable.Row {
        let lab = try BenchLab()
        defer { lab.stop() }
        let policy = try BenchBindings.policy(lab.policyFolder)
        var limits = BindingLimits()
        limits.namesPerClient = 65_536
        limits.bindingsPerClient = limits.bindings
        let client = policy.endpoints[0].id
        var samples: [Double] = []
        for round in 0..<(options.quick ? 3 : 10) {
            var names = try BenchBindings.names(limits, BenchBindings.table(limits), policy)
            let asked = try (0..<10_000).map { try DomainName(parsing: "r\(round)n\($0).\(BenchPolicy.manyZone)") }
            let addresses = asked.indices.map { name in (0..<24).map { IPAddress(v4: 0xc612_0000 + UInt32(name * 24 + $0)) } }
            let now = BootClock.now()
            for start in stride(from: 0, to: asked.count, by: 100) {
                let begin = try CPUTime.ofThisThread()
                for position in start..<start + 100 {
                    guard
                        case .success = names.learn(asked[position], addresses[position], timeToLiveSeconds: 300, client: client, now: now)
                    else { throw BenchError("no room for \(asked[position])") }
                }
                samples.append(Double(try CPUTime.ofThisThread() - begin) / 100_000)
            }
        }
        return .init(
            what:
                "Learning and publishing 24 addresses that no other name has, in a loop, CPU time of the thread, \(samples.count) times 100 answers",
            measured: "p50 \(samples.median.rounded(1)) µs, p99 \(samples.quantile(0.99).rounded(1)) µs an answer", anchor: "-")
    }

    private static let rate = 2_000

    /// About as long as learning takes.
    private static func arithmeticNanoseconds(_ addresses: Int) -> UInt64 { addresses == 1 ? 6_000 : 25_000 }

    /// Of each answer, microseconds, by the clock and by the thread's CPU time.
    ///
    /// - Parameter hadAsMany: as in a process that has run for a while, as many bindings came and went before. Else the memory for each is touched for the
    ///   first time, which costs a page fault every few answers, and tables are copied as they grow.
    private static func times(_ zone: String, _ addresses: Int, hadAsMany: Bool, _ options: BenchOptions) throws
        -> ([Double], processor: [Double], arithmetic: [Double])
    {
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
        let isReady = SharedFlag()
        let worker = try lab.network.node.startThread { () throws -> ([UInt64], [UInt64], [UInt64]) in
            let table = try BenchBindings.table(sizes)
            var names = try BenchBindings.names(sizes, table, policy)
            if hadAsMany { try BenchBindings.comeAndGo(capacity, addresses, zone: zone, client: policy.endpoints[0].id, in: &names) }
            let gate = DNSGate(
                names: names, policy: policy, rebinding: RebindingGuard(), allowedSources: [])
            var worker = try DNSWorker(
                configuration: settings, datagramSockets: [try DNSSockets.bindUDP(BenchLab.resolver, port: 53)],
                streamSockets: [],
                gate: TimedGate(gate, capacity: capacity, arithmetic: PlainArithmetic(nanoseconds: arithmeticNanoseconds(addresses))),
                counters: counters, mailbox: mailbox)
            isReady.set()
            worker.run()
            let timed = worker.finish()
            return (timed.nanoseconds, timed.processorNanoseconds, timed.arithmeticNanoseconds)
        }
        try lab.write(DNSLoad.questions(seconds * rate, series: "l", zone: zone), "questions")
        let answered: Double
        do {
            // Memory for two million bindings is made first.
            try isReady.wait(seconds: 60)
            answered = try DNSLoad(
                namespace: lab.pod.namespace, server: "\(BenchLab.resolver)", port: 53, questions: lab.path("questions")
            ).run(times: 1, perSecond: rate)
        } catch {
            mailbox.stop()
            _ = try? worker.join()
            throw error
        }
        mailbox.stop()
        let (times, processor, arithmetic) = try worker.join()
        guard Double(times.count) >= answered, counters[.cacheHits] == 0 else { throw BenchError("not every query was a miss and learned") }
        return (times.map { Double($0) / 1_000 }, processor.map { Double($0) / 1_000 }, arithmetic.map { Double($0) / 1_000 })
    }
}
