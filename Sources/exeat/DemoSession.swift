import DemoNetwork
import Foundation
import NetworkTypes

/// One run of the demo: the network, the daemon in its node, and the rows that are tried.
final class DemoSession {
    private let network: DemoNetwork
    private let configurationFolder: String
    private var daemon: ChildProcess?
    private var listeners: [EchoServer] = []

    init(configurationFolder: String) throws {
        self.configurationFolder = configurationFolder
        var lab = LabConfiguration()
        // No policy of the namespace "default" selects it: what it may do shows what the others may not.
        lab.pods.append(.init(name: "pod-c", kubernetesNamespace: "other", labels: ["app": "visitor"]))
        network = try DemoNetwork(configuration: lab)
    }

    func start() throws {
        try network.start()
        let folder = network.directory + "/config"
        try FileManager.default.copyItem(atPath: configurationFolder, toPath: folder)
        let file = folder + "/exeat.yaml"
        let shipped = try String(contentsOfFile: file, encoding: .utf8)
        let lines = shipped.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            // The files of a lab are root's alone.
            line.hasPrefix("runtimeDirectory:")
                ? "runtimeDirectory: \(network.directory)/run" : line.hasPrefix("user:") ? "user: root" : String(line)
        }
        try lines.joined(separator: "\n").write(toFile: file, atomically: true, encoding: .utf8)
        try FileManager.default.createDirectory(atPath: folder + "/endpoints", withIntermediateDirectories: true)
        try network.workloadEndpointYAML().write(toFile: folder + "/endpoints/pods.yaml", atomically: true, encoding: .utf8)
        let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let daemon = try network.node.spawn([program, "run", "--config", file], output: network.directory + "/daemon.log")
        self.daemon = daemon
        for _ in 0..<200 {
            if try network.node.run(["curl", "-sf", "-m", "1", "http://127.0.0.1:9253/ready"], timeoutSeconds: 2).isSuccess {
                try listen()
                return
            }
            guard daemon.isRunning else { throw DemoFailure("the daemon ended: \(daemonLog)") }
            usleep(50_000)
        }
        throw DemoFailure("the daemon is not ready: \(daemonLog)")
    }

    /// Something for the node and for other pods to reach in pod-a.
    private func listen() throws {
        guard let pod = network.pod("pod-a") else { return }
        listeners.append(try EchoServer(namespace: pod.namespace, addresses: [pod.v4], port: 8_080))
    }

    private var daemonLog: String { (try? String(contentsOfFile: network.directory + "/daemon.log", encoding: .utf8)) ?? "" }

    func stop() {
        for listener in listeners { listener.stop() }
        listeners = []
        daemon?.kill(SIGTERM)
        _ = daemon?.wait(timeoutSeconds: 3)
        daemon = nil
        network.stop()
    }

    var farewell: String {
        """

        The daemon goes on. Look at it, and end with Ctrl-C:
          metrics   ip netns exec \(network.node.name) curl -s http://127.0.0.1:9253/metrics
          bindings  exeat bindings --runtime-directory \(network.directory)/run
          flows     exeat flows --follow --runtime-directory \(network.directory)/run
          a pod     ip netns exec \(network.pod("pod-a")?.namespace.name ?? "") curl -sI http://api.example.org/
        """
    }

    // MARK: Rows

    /// Tries every row and prints the table; whether all came out as expected.
    func runAll() -> Bool {
        var good = true
        print(DemoRow.header)
        for row in rows() {
            let outcome = row.attempt()
            usleep(60_000)
            let decision = row.destination.flatMap { lastDecision(pod: row.pod, destination: $0, port: row.port) } ?? "-"
            let isExpected = row.expects(outcome) && (row.rule == nil || decision.contains(row.rule ?? ""))
            good = good && isExpected
            print(row.line(outcome: outcome, decision: decision, isExpected: isExpected))
            // Rows appear as they come, also in a pipe.
            fflush(nil)
        }
        print(good ? "\nevery row as expected" : "\nNOT as expected; the daemon's log:\n\(daemonLog)")
        return good
    }

    private func rows() -> [DemoRow] {
        let a = network.pod("pod-a")?.v4.description ?? ""
        return [
            web("pod-a", "an allowed name", "http://api.example.org/", "192.0.2.10", .reached, "shop"),
            web("pod-a", "a wildcard name", "http://deep.x.cdn.example.net/", "198.51.100.13", .reached, "shop"),
            web("pod-a", "another name of the wildcard", "http://a.cdn.example.net/", "198.51.100.11", .reached, "shop"),
            web("pod-a", "the same over IPv6", "http://api.example.org/", "2001:db8::10", .reached, "shop", options: ["-6"]),
            web("pod-a", "a name of others", "http://files.example.test/", "203.0.113.10", .refused, "default-action"),
            web("pod-a", "an address never resolved", "http://203.0.113.66/", "203.0.113.66", .refused, "default-action"),
            web(
                "pod-a", "the allowed name, a port that is not", "http://api.example.org:7/", "192.0.2.10", .refused, "default-action",
                port: 7),
            web("pod-a", "the metadata service", "http://169.254.169.254/", "169.254.169.254", .refused, "security.blocked-networks"),
            datagram("pod-a", "UDP to an address never resolved", "192.0.2.7", 7),
            lookup("pod-a", "a lookup by a foreign server", ["@203.0.113.53", "www.example.org"], .reached),
            lookup("pod-a", "an answer that points inside", ["private.example.org"], .refused),
            web("pod-b", "a name of a network set", "http://files.example.test/", "203.0.113.10", .reached, "batch"),
            web("pod-b", "the very address that pod-a resolved", "http://192.0.2.10/", "192.0.2.10", .refused, "default-action"),
            web("pod-b", "a name of others", "http://api.example.org/", "192.0.2.10", .refused, "default-action"),
            stream(nil, "node", "a probe of the node into pod-a", a, .reached),
            stream("pod-c", "pod-c", "another pod into pod-a", a, .reached),
            stream("pod-b", "pod-b", "a pod that may not, into pod-a", a, .refused),
        ]
    }

    private func namespace(_ pod: String?) -> DemoNetwork.Namespace { pod.flatMap { network.pod($0)?.namespace } ?? network.node }

    private func web(
        _ pod: String, _ what: String, _ url: String, _ destination: String, _ expected: DemoRow.Outcome.Kind, _ rule: String,
        options: [String] = ["-4"], port: UInt16 = 80
    ) -> DemoRow {
        DemoRow(pod: pod, what: what, target: url, destination: destination, port: port, expected: expected, rule: rule) { [self] in
            let format = "%{http_code} %{time_connect} %{time_total} %{time_namelookup}"
            guard
                let result = try? namespace(pod).run(
                    ["curl", "-s", "-o", "/dev/null", "-m", "5", "-w", format] + options + [url], timeoutSeconds: 8)
            else { return .init(kind: .failed, detail: "curl did not run") }
            let parts = result.stdout.split(separator: " ").compactMap { Double($0) }
            let milliseconds = parts.count == 4 ? (parts[2] - parts[3]) * 1000 : 0
            let time = String(format: "%.1f ms", milliseconds)
            switch result.status {
            case 0: return .init(kind: .reached, detail: "HTTP \(result.stdout.prefix(3)), \(time)")
            // Refused at once by reset or ICMP; a timeout would be 28.
            case 7: return .init(kind: milliseconds < 1_000 ? .refused : .failed, detail: time)
            default: return .init(kind: .failed, detail: "curl exit \(result.status), \(time)")
            }
        }
    }

    private func datagram(_ pod: String, _ what: String, _ destination: String, _ port: UInt16) -> DemoRow {
        DemoRow(
            pod: pod, what: what, target: "\(destination) udp \(port)", destination: destination, port: port, expected: .refused,
            rule: "default-action"
        ) { [self] in
            connectOutcome(pod, destination) { LabClient.udp(to: $0, port: port) }
        }
    }

    private func stream(_ pod: String?, _ label: String, _ what: String, _ destination: String, _ expected: DemoRow.Outcome.Kind) -> DemoRow
    {
        DemoRow(
            pod: label, what: what, target: "\(destination) tcp 8080", destination: pod == nil ? nil : destination, port: 8_080,
            expected: expected, rule: nil
        ) { [self] in
            connectOutcome(pod, destination) { LabClient.connect(to: $0, port: 8_080, payload: [1, 2, 3]) }
        }
    }

    private func connectOutcome(_ pod: String?, _ destination: String, _ attempt: @escaping @Sendable (IPAddress) -> LabClient.Result)
        -> DemoRow.Outcome
    {
        guard let address = IPAddress(parsing: destination),
            let result = try? namespace(pod).withThread({ attempt(address) })
        else { return .init(kind: .failed, detail: "no client") }
        let time = String(format: "%.1f ms", result.milliseconds)
        switch result.outcome {
        case .answered: return .init(kind: .reached, detail: time)
        case .timedOut: return .init(kind: .failed, detail: "no answer, \(time)")
        default: return .init(kind: .refused, detail: time)
        }
    }

    private func lookup(_ pod: String, _ what: String, _ arguments: [String], _ expected: DemoRow.Outcome.Kind) -> DemoRow {
        DemoRow(
            pod: pod, what: what, target: arguments.joined(separator: " "), destination: nil, port: 0, expected: expected, rule: nil
        ) { [self] in
            guard let result = try? namespace(pod).run(["dig", "+time=2", "+tries=1"] + arguments, timeoutSeconds: 8) else {
                return .init(kind: .failed, detail: "dig did not run")
            }
            let status =
                result.stdout.split(separator: "\n").first { $0.contains("status:") }
                .flatMap { $0.components(separatedBy: "status: ").last?.prefix { $0 != "," } }.map(String.init) ?? "no answer"
            let error = result.stdout.split(separator: "\n").first { $0.contains("EDE:") }.map {
                $0.replacingOccurrences(of: "; ", with: "")
            }
            switch status {
            case "NOERROR": return .init(kind: .reached, detail: status)
            case "REFUSED", "SERVFAIL": return .init(kind: .refused, detail: [status, error].compactMap(\.self).joined(separator: ", "))
            default: return .init(kind: .failed, detail: status)
            }
        }
    }

    /// What the flow log says of the last flow of a pod to a destination.
    private func lastDecision(pod: String, destination: String, port: UInt16) -> String? {
        guard let program = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"),
            let result = try? network.node.run(
                [program, "flows", "--recent", "--json", "--runtime-directory", network.directory + "/run"], timeoutSeconds: 5)
        else { return nil }
        let line = result.stdout.split(separator: "\n").map { ReportRow(json: String($0)) }.last { row in
            guard let row else { return false }
            return row["endpoint"] == pod && row["destination"] == destination && row["destination_port"] == "\(port)"
        }
        guard let row = line ?? nil else { return nil }
        let rule =
            row["policy"].isEmpty && !row["tier"].isEmpty
            ? "\(row["tier"])|default-action" : "\(row["tier"])|\(row["policy"])|\(row["rule"])"
        return "\(row["reason"]) \(rule)"
    }
}
