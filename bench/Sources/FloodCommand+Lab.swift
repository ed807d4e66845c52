import DemoNetwork
import Foundation
import NetworkTypes

/// The two networks of a flood: what stands in them and what they tell.
extension FloodCommand {
    /// Floods until the daemon says that the flooder is at its cap.
    static func fill(_ scenario: FloodScenario, _ place: Int, _ lab: BenchLab) throws {
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
    static func silence(_ lab: BenchLab) throws {
        let rules = "table inet silent { chain input { type filter hook input priority 0; tcp dport \(silentPort) drop; }; }\n"
        try lab.write(rules, "silent.nft")
        let loaded = try lab.network.internet.run(["nft", "-f", lab.path("silent.nft")])
        guard loaded.isSuccess else { throw BenchError("nft: \(loaded.stderr)") }
    }

    /// Packets that the kernel held back, by reason.
    static func refused(_ lab: BenchLab) throws -> [String: Double] {
        usleep(1_200_000)  // the table's counters are read once a second
        let prefix = "exeat_kernel_refused_packets_total{reason=\""
        var found: [String: Double] = [:]
        for (name, value) in try lab.metrics() where name.hasPrefix(prefix) {
            found[String(name.dropFirst(prefix.count).dropLast(2))] = value
        }
        return found
    }

    static func pods(_ lab: BenchLab) throws -> (flooder: DemoNetwork.Pod, other: DemoNetwork.Pod) {
        guard let flooder = lab.network.pod("pod-a"), let other = lab.network.pod("pod-b") else { throw BenchError("the lab lacks a pod") }
        return (flooder, other)
    }

    static func resolve(_ name: String, _ pod: DemoNetwork.Pod) throws -> [IPAddress] {
        // dig asks with room for long answers.
        let result = try pod.namespace.run(["dig", "+short", "@\(BenchLab.resolver)", name, "A"])
        let addresses = result.stdout.split(separator: "\n").compactMap { IPAddress(parsing: $0) }
        guard !addresses.isEmpty else { throw BenchError("\(name) does not resolve: \(result.stdout)\(result.stderr)") }
        return addresses
    }

    /// What a firewall does that knows connections: what is established passes, what the pod begins does not.
    static func dropAll(of pod: DemoNetwork.Pod, _ lab: BenchLab) throws {
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
    static func ownBindings(_ lab: BenchLab, _ options: BenchOptions) throws -> Set<String> {
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
}
