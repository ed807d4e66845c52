import ArgumentParser
import DemoNetwork
import Foundation
import NetworkTypes

struct FloodCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flood",
        abstract: "One pod floods: another pod's connect latency and bindings, against the same flood at a plain nft drop.")

    @OptionGroup var options: BenchOptions

    mutating func run() throws {
        let table = try Self.measure(options)
        print(table.markdown)
        if !table.meetsBars { throw ExitCode(1) }
    }

    private static let ownNames = 100
    private static let connectionsPerSecond = 50_000
    private static let namesPerSecond = 2_000
    private static let denied: UInt32 = 0xcb00_7100  // 203.0.113.0
    /// Where the internet's side answers with a reset, and where it drops what comes.
    private static let port: UInt16 = 12_000
    static let silentPort: UInt16 = 12_001
    /// 40 addresses.
    private static let floodName = "big.example.org"

    /// To where the other pod connects. On the first port no name is looked for, on the second, by default, one is (`verify-name: observe`); connections to both
    /// begin by a kernel lease.
    private static let targets: [(port: UInt16, what: String)] = [
        (8_080, "leased"), (80, "on port 80, where hellos are read (`verify-name: observe`, the default)"),
    ]

    /// Beside the bench's policy: the flooder may reach some addresses, on two ports, and the other pod its server on one more.
    private static let policy = """
        apiVersion: projectcalico.org/v3
        kind: NetworkPolicy
        metadata: {name: flooded, namespace: default}
        spec:
          order: 110
          selector: app == "shop"
          types: [Egress]
          egress:
            - action: Allow
              protocol: TCP
              destination: {domains: [\(floodName)], ports: [\(port), \(silentPort)]}
            - action: Allow
              protocol: TCP
              destination: {domains: [\(BenchPolicy.webName)], ports: [\(targets[0].port)]}
        """

    static func measure(_ options: BenchOptions) throws -> ResultTable {
        let enforced = try BenchLab(servesWeb: true, podCount: 2)
        defer { enforced.stop() }
        let plain = try BenchLab(servesWeb: true, podCount: 2)
        defer { plain.stop() }
        for lab in [enforced, plain] {
            _ = try MeasuredProgram(
                [try options.anchor("tcp-load"), "serve", "\(BenchPolicy.webAddress)", "\(targets[0].port)", "close"],
                in: lab.network.internet, output: lab.path("server.out"))
        }
        try enforced.write(policy, "policies/flooded.yaml")
        try enforced.startDaemon(try options.program(), hasLeases: true, namesPerClient: 8_192, hasLimits: true)
        let (flooder, other) = try pods(enforced)
        let allowed = try resolve(floodName, flooder)
        try dropAll(of: try pods(plain).flooder, plain)
        _ = try resolve(BenchPolicy.webName, other)

        let first = allowed.map(\.v4).min() ?? 0
        let scenarios = [
            FloodScenario(
                what: "\(connectionsPerSecond) new flows/s to denied addresses",
                kind: .connections(first: denied, count: 256, port: port), perSecond: connectionsPerSecond, counter: "question_rate"),
            FloodScenario(
                what: "\(connectionsPerSecond) new flows/s to allowed addresses that answer with resets",
                kind: .connections(first: first, count: UInt32(allowed.count), port: port), perSecond: connectionsPerSecond,
                counter: "connection_rate"),
            // The flows stay for two minutes (SYN sent): the cap is reached and the flooder stays at it. Last of those to allowed addresses.
            FloodScenario(
                what: "\(connectionsPerSecond) new flows/s to allowed addresses that never answer",
                kind: .connections(first: first, count: UInt32(allowed.count), port: silentPort), perSecond: connectionsPerSecond,
                counter: "connection_cap", fills: true),
            FloodScenario(
                what: "\(namesPerSecond) fresh names/s", kind: .freshNames(server: BenchLab.resolver.v4), perSecond: namesPerSecond,
                counter: nil),
        ]
        var table = ResultTable()
        for lab in [enforced, plain] {
            // Room for the connections of a minute, which is how long the client keeps their ports.
            let pod = try pods(lab).other
            _ = try pod.namespace.run(["sysctl", "-qw", "net.ipv4.ip_local_port_range=1024 65535"])
            try checkConnects(pod)
        }
        for lab in [enforced, plain] { try silence(lab) }
        var (held, kept) = (0, 0)
        for (place, scenario) in scenarios.enumerated() {
            // Anew before each: they end with their TTL, flood or not.
            try other.namespace.withThread {
                for name in [BenchPolicy.webName] + (0..<ownNames).map({ "own\($0).\(BenchPolicy.zone)" }) {
                    let answer = LabClient.resolve(name, server: BenchLab.resolver)
                    guard !answer.addresses.isEmpty else { throw BenchError("\(name) does not resolve") }
                }
            }
            let before = try ownBindings(enforced, options)
            guard before.count > ownNames else { throw BenchError("the other pod has \(before.count) bindings") }
            if scenario.fills { try fill(scenario, place, enforced) }
            for row in try measure(scenario, place, enforced, plain, options) { table.add(row) }
            held += before.count
            kept += try ownBindings(enforced, options).intersection(before).count
        }
        try checkConnects(other)
        table.add(
            .init(
                what: "Bindings of the other pod that it had before each flood, and has after it", measured: "\(kept)", anchor: "\(held)",
                bar: .stated("all there", isMet: kept == held)))
        return table
    }

    private static func measure(
        _ scenario: FloodScenario, _ place: Int, _ enforced: BenchLab, _ plain: BenchLab, _ options: BenchOptions
    ) throws -> [ResultTable.Row] {
        var results: [[FloodSlice]] = [[], [], []]
        progress(scenario.what)
        let refusedBefore = try refused(enforced)
        for round in 0..<BenchOptions.pairs {
            for index in (round % 2 == 0 ? [0, 1] : [1, 0]) + [2] {
                let series = place * 128 + round + (index == 2 ? 64 : 0)
                results[index].append(try slice(scenario, index == 0 ? enforced : plain, series, options))
            }
            if round % 5 == 4 {
                let sent = results.map { $0[round].sentPerSecond.rounded(0) }.joined(separator: ", ")
                progress("  \(round + 1) of \(BenchOptions.pairs) rounds, sent \(sent) a second")
            }
        }
        let held = try refused(enforced).map { (reason: $0.key, packets: $0.value - (refusedBefore[$0.key] ?? 0)) }
            .filter { $0.packets > 0 }.sorted { $0.reason < $1.reason }
        var text = held.map { "\($0.packets.rounded(0)) \($0.reason)" }.joined(separator: ", ")
        if let counter = scenario.counter, !held.contains(where: { $0.reason == counter }) { text += ", **nothing by \(counter)**" }
        return targets.indices.map { target in
            func all(_ index: Int) -> String {
                let times = results[index].flatMap { $0.microseconds[target] }
                let sent = results[index].map(\.sentPerSecond).median
                let failed = results[index].reduce(0) { $0 + $1.failures[target] }
                return "p50 \(times.median.rounded(0)) µs, p99 \(times.quantile(0.99).rounded(0)) µs, flood \(sent.rounded(0))/s"
                    + (failed > 0 ? ", \(failed) of \(times.count) failed" : "")
            }
            let slices = results.map { $0.map { $0.microseconds[target].quantile(0.99) } }
            var what = "Connect of another pod, \(targets[target].what), under \(scenario.what), p99 of \(BenchOptions.pairs) slices"
            if target == 0, !text.isEmpty { what += "; held back: \(text)" }
            return .init(
                what: what, measured: all(0), anchor: all(1), ratio: Interval(ratiosOf: slices[0], to: slices[1]),
                anchorSpread: Interval(ratiosOf: slices[2], to: slices[1]), bar: .ratioAtMost(2))
        }
    }

    private static func slice(_ scenario: FloodScenario, _ lab: BenchLab, _ series: Int, _ options: BenchOptions) throws -> FloodSlice {
        let (flooder, other) = try pods(lab)
        let source = try FloodSource(scenario.kind, from: flooder, perSecond: scenario.perSecond, series: series)
        do {
            usleep(80_000)
            var slice = try connect(from: other, seconds: options.quick ? 0.2 : 1.5)
            slice.sentPerSecond = try source.stop()
            return slice
        } catch {
            _ = try? source.stop()
            throw error
        }
    }

    private static func checkConnects(_ pod: DemoNetwork.Pod) throws {
        let failures = try connect(from: pod, seconds: 0.1).failures
        guard failures.allSatisfy({ $0 == 0 }) else { throw BenchError("connections of the other pod fail without a flood: \(failures)") }
    }

    private static func progress(_ text: String) { FileHandle.standardError.write(Data("flood: \(text)\n".utf8)) }

    /// Connects to each target in turn for so long, each a new flow. One that fails counts with the time it took.
    private static func connect(from pod: DemoNetwork.Pod, seconds: Double) throws -> FloodSlice {
        try pod.namespace.withThread {
            var slice = FloodSlice(targetCount: targets.count)
            let end = CPUTime.nowNanoseconds() + UInt64(seconds * 1e9)
            while CPUTime.nowNanoseconds() < end {
                for (index, target) in targets.enumerated() {
                    let result = LabClient.connect(to: BenchPolicy.webAddress, port: target.port)
                    if !result.isConnected { slice.failures[index] += 1 }
                    slice.microseconds[index].append(result.milliseconds * 1000)
                    usleep(500)
                }
            }
            return slice
        }
    }
}
