import ArgumentParser
import DemoNetwork
import Foundation
import NetworkTypes

struct FloodCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flood",
        abstract: "One pod floods: another pod's connect latency and bindings, against the same flood at a plain nft drop.")

    @OptionGroup var options: BenchOptions

    @Flag(help: "Without kernel leases: each first packet of the other pod is asked about too.")
    var withoutLeases = false

    mutating func run() throws {
        let table = try Self.measure(options, hasLeases: !withoutLeases)
        print(table.markdown)
        if !table.meetsBars { throw ExitCode(1) }
    }

    static func measure(_ options: BenchOptions) throws -> ResultTable { try measure(options, hasLeases: true) }

    private static let ownNames = 100
    private static let connectionsPerSecond = 50_000
    private static let namesPerSecond = 2_000
    private static let denied: UInt32 = 0xcb00_7100  // 203.0.113.0
    /// Where the internet's side answers with a reset, and where it drops what comes.
    private static let port: UInt16 = 12_000
    private static let silentPort: UInt16 = 12_001
    /// 40 addresses.
    private static let floodName = "big.example.org"

    /// Beside the bench's policy: the flooder may reach some addresses, on two ports.
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
        """

    private struct Scenario {
        let what: String
        let kind: FloodPacket.Kind
        let perSecond: Int
        /// What must have held it back.
        let counter: String?
        /// Whether the flooder is at its cap of flows before anything is measured.
        var fills = false
    }

    private static func measure(_ options: BenchOptions, hasLeases: Bool) throws -> ResultTable {
        let enforced = try BenchLab(servesWeb: true, podCount: 2)
        defer { enforced.stop() }
        let plain = try BenchLab(servesWeb: true, podCount: 2)
        defer { plain.stop() }
        try enforced.write(policy, "policies/flooded.yaml")
        try enforced.startDaemon(try options.program(), hasLeases: hasLeases, namesPerClient: 8_192, hasLimits: true)
        let (flooder, other) = try pods(enforced)
        let allowed = try resolve(floodName, flooder)
        try dropAll(of: try pods(plain).flooder, plain)
        _ = try resolve(BenchPolicy.webName, other)
        for number in 0..<ownNames { _ = try resolve("own\(number).\(BenchPolicy.zone)", other) }
        let before = try ownBindings(enforced, options)
        guard before.count > ownNames else { throw BenchError("the other pod has \(before.count) bindings") }

        let first = allowed.map(\.v4).min() ?? 0
        let scenarios = [
            Scenario(
                what: "\(connectionsPerSecond) new flows/s to denied addresses",
                kind: .connections(first: denied, count: 256, port: port), perSecond: connectionsPerSecond, counter: "question_rate"),
            Scenario(
                what: "\(connectionsPerSecond) new flows/s to allowed addresses that answer with resets",
                kind: .connections(first: first, count: UInt32(allowed.count), port: port), perSecond: connectionsPerSecond,
                counter: "connection_rate"),
            // The flows stay for two minutes (SYN sent): the cap is reached and the flooder stays at it. Last of those to allowed addresses.
            Scenario(
                what: "\(connectionsPerSecond) new flows/s to allowed addresses that never answer",
                kind: .connections(first: first, count: UInt32(allowed.count), port: silentPort), perSecond: connectionsPerSecond,
                counter: "connection_cap", fills: true),
            Scenario(
                what: "\(namesPerSecond) fresh names/s", kind: .freshNames(server: BenchLab.resolver.v4), perSecond: namesPerSecond,
                counter: nil),
        ]
        var table = ResultTable()
        for lab in [enforced, plain] {
            // Room for the connections of a minute, which is how long the client keeps their ports.
            let pod = try pods(lab).other
            _ = try pod.namespace.run(["sysctl", "-qw", "net.ipv4.ip_local_port_range=1024 65535"])
            _ = try connect(50, lab)
        }
        for lab in [enforced, plain] { try silence(lab) }
        for (place, scenario) in scenarios.enumerated() {
            if scenario.fills { try fill(scenario, place, enforced) }
            table.add(try measure(scenario, place, enforced, plain, options))
        }
        let after = try ownBindings(enforced, options)
        table.add(
            .init(
                what: "Bindings of the other pod after all of it", measured: "\(after.count)", anchor: "\(before.count) before",
                bar: .stated("all there", isMet: before.isSubset(of: after))))
        return table
    }

    private static func measure(
        _ scenario: Scenario, _ place: Int, _ enforced: BenchLab, _ plain: BenchLab, _ options: BenchOptions
    ) throws -> ResultTable.Row {
        var slices: [[Double]] = [[], []]
        var all: [[Double]] = [[], []]
        var again: [Double] = []
        var rates: [Double] = []
        let refusedBefore = try refused(scenario, enforced)
        func slice(_ lab: BenchLab, _ series: Int) throws -> [Double] {
            let source = try FloodSource(
                scenario.kind, from: try pods(lab).flooder, perSecond: scenario.perSecond, series: place * 128 + series)
            let times: [Double]
            do {
                usleep(50_000)
                times = try connect(options.quick ? 400 : 1_000, lab)
            } catch {
                _ = try? source.stop()
                throw error
            }
            rates.append(try source.stop())
            return times
        }
        for round in 0..<BenchOptions.pairs {
            for index in round % 2 == 0 ? [0, 1] : [1, 0] {
                let times = try slice(index == 0 ? enforced : plain, round)
                slices[index].append(times.quantile(0.99))
                all[index] += times
            }
            again.append(try slice(plain, 64 + round).quantile(0.99))
        }
        let held = try refused(scenario, enforced) - refusedBefore
        if let counter = scenario.counter, held <= 0 { throw BenchError("\(scenario.what): nothing was held back (\(counter))") }
        func text(_ index: Int) -> String {
            "p50 \(all[index].median.rounded(0)) µs, p99 \(all[index].quantile(0.99).rounded(0)) µs"
        }
        var what = "Connect of another pod under \(scenario.what) (sent \(rates.median.rounded(0))/s), p99 of \(BenchOptions.pairs) slices"
        if scenario.counter != nil { what += "; \(held.rounded(0)) packets held back" }
        return .init(
            what: what, measured: text(0), anchor: text(1), ratio: Interval(ratiosOf: slices[0], to: slices[1]),
            anchorSpread: Interval(ratiosOf: again, to: slices[1]), bar: .ratioAtMost(2))
    }

    /// Floods until the daemon says that the flooder is at its cap.
    private static func fill(_ scenario: Scenario, _ place: Int, _ lab: BenchLab) throws {
        let source = try FloodSource(scenario.kind, from: try pods(lab).flooder, perSecond: scenario.perSecond, series: place * 128 + 127)
        var isCapped = false
        for _ in 0..<60 where !isCapped {
            usleep(250_000)
            isCapped = try lab.metrics()["exeat_endpoints_capped"] == 1
        }
        _ = try source.stop()
        guard isCapped else { throw BenchError("the flooder never comes to its cap of flows") }
    }

    /// The internet's side drops what comes to one port, so that conntrack of the node keeps waiting for an answer.
    private static func silence(_ lab: BenchLab) throws {
        let rules = "table inet silent { chain input { type filter hook input priority 0; tcp dport \(silentPort) drop; }; }\n"
        try lab.write(rules, "silent.nft")
        let loaded = try lab.network.internet.run(["nft", "-f", lab.path("silent.nft")])
        guard loaded.isSuccess else { throw BenchError("nft: \(loaded.stderr)") }
    }

    private static func refused(_ scenario: Scenario, _ lab: BenchLab) throws -> Double {
        guard let counter = scenario.counter else { return 0 }
        usleep(1_200_000)  // the table's counters are read once a second
        return try lab.metrics()["exeat_kernel_refused_packets_total{reason=\"\(counter)\"}"] ?? 0
    }

    private static func pods(_ lab: BenchLab) throws -> (flooder: DemoNetwork.Pod, other: DemoNetwork.Pod) {
        guard let flooder = lab.network.pod("pod-a"), let other = lab.network.pod("pod-b") else { throw BenchError("the lab lacks a pod") }
        return (flooder, other)
    }

    private static func resolve(_ name: String, _ pod: DemoNetwork.Pod) throws -> [IPAddress] {
        // dig asks with room for long answers.
        let result = try pod.namespace.run(["dig", "+short", "@\(BenchLab.resolver)", name, "A"])
        let addresses = result.stdout.split(separator: "\n").compactMap { IPAddress(parsing: $0) }
        guard !addresses.isEmpty else { throw BenchError("\(name) does not resolve: \(result.stdout)\(result.stderr)") }
        return addresses
    }

    /// What a firewall does that knows connections: what is established passes, what the pod begins does not.
    private static func dropAll(of pod: DemoNetwork.Pod, _ lab: BenchLab) throws {
        guard let address = pod.addresses.first(where: { $0.family == .v4 }) else { throw BenchError("the pod has no IPv4 address") }
        let rules = "ct state established,related accept; ip saddr \(address) drop;"
        try lab.write(
            """
            table inet plain {
              chain forward { type filter hook forward priority 20; \(rules) }
              chain input { type filter hook input priority 20; \(rules) }
            }
            """, "plain.nft")
        let loaded = try lab.network.node.run(["nft", "-f", lab.path("plain.nft")])
        guard loaded.isSuccess else { throw BenchError("nft: \(loaded.stderr)") }
    }

    /// "name address" of the other pod.
    private static func ownBindings(_ lab: BenchLab, _ options: BenchOptions) throws -> Set<String> {
        let result = try lab.network.node.run(
            [try options.program(), "bindings", "--json", "--runtime-directory", lab.path("run")], timeoutSeconds: 20)
        guard result.isSuccess else { throw BenchError("exeat bindings: \(result.stderr)") }
        var found: Set<String> = []
        for line in result.stdout.split(separator: "\n") {
            guard let row = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any],
                let endpoint = row["endpoint"] as? String, endpoint.contains("pod-b"), let name = row["name"], let address = row["address"]
            else { continue }
            found.insert("\(name) \(address)")
        }
        return found
    }

    /// Connects about once a millisecond, each a new flow; microseconds. One that fails counts with the time it took.
    private static func connect(_ count: Int, _ lab: BenchLab) throws -> [Double] {
        try pods(lab).other.namespace.withThread {
            var times: [Double] = []
            times.reserveCapacity(count)
            var failures = 0
            for _ in 0..<count {
                let result = LabClient.connect(to: BenchPolicy.webAddress, port: 80)
                if !result.isConnected { failures += 1 }
                guard failures < 10 else { throw BenchError("connections of the other pod fail: \(result.outcome)") }
                times.append(result.milliseconds * 1000)
                usleep(1_000)
            }
            return times
        }
    }
}
