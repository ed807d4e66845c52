import DemoNetwork
import Foundation
import NetworkTypes
import Testing

/// The real daemon in the node of a lab, with the upstream of a test. Pods, which policy allows `*.lies.example.org` on port 80.
final class DaemonLab {
    static let resolver = IPAddress(v4: 0xa9fe_140a)
    static let upstreamAddress = IPAddress(v4: 0xc000_0263)  // 192.0.2.99

    struct Failure: Error, CustomStringConvertible { let description: String }

    let network: DemoNetwork
    let upstream: LyingUpstream
    private let daemon: ChildProcess

    /// - Parameters:
    ///   - root: the upstream of all names that are in no zone.
    ///   - zones: `dns.zones`, in one line.
    ///   - showsCoreDNSNames: `metrics.corednsNames`.
    ///   - cacheBytesMax: as small as can be, so that the cache does not pass for a leak.
    init(
        root: IPAddress = upstreamAddress, zones: String = "[]", showsCoreDNSNames: Bool = false,
        cacheBytesMax: Int = 65_536,
        answer: @escaping @Sendable (UpstreamQuestion) -> [LyingUpstream.Reply]
    ) throws {
        var lab = LabConfiguration()
        lab.pods = [.init(name: "pod-a", labels: ["app": "shop"]), .init(name: "pod-b", labels: ["app": "batch"])]
        lab.startsEchoServers = false
        network = try DemoNetwork(configuration: lab)
        do {
            try network.start()
            upstream = try LyingUpstream(in: network.internet, at: Self.upstreamAddress, answer: answer)
            let folder = network.directory + "/config"
            try Self.write(network.workloadEndpointYAML(), to: folder + "/endpoints/pods.yaml")
            try Self.write(Self.policy, to: folder + "/policies/policy.yaml")
            try Self.write(
                Self.configuration(runtimeDirectory: network.directory + "/run", root, zones, showsCoreDNSNames, cacheBytesMax),
                to: folder + "/exeat.yaml")
            daemon = try network.node.spawn(
                [Program.path, "run", "--config", folder + "/exeat.yaml"], output: network.directory + "/daemon.log")
            try waitUntilReady()
        } catch {
            network.stop()
            throw error
        }
    }

    func stop() {
        upstream.stop()
        _ = try? exeat("down")
        daemon.terminate()
        network.stop()
    }

    private static let policy = """
        apiVersion: projectcalico.org/v3
        kind: GlobalNetworkPolicy
        metadata: {name: lies}
        spec:
          selector: all()
          types: [Egress]
          egress:
            - action: Allow
              protocol: TCP
              destination: {domains: ["*.lies.example.org", "api.example.org"], ports: [80]}
        """

    private static func configuration(
        runtimeDirectory: String, _ root: IPAddress, _ zones: String, _ showsCoreDNSNames: Bool, _ cacheBytesMax: Int
    ) -> String {
        """
        policies: policies
        endpoints: endpoints
        runtimeDirectory: \(runtimeDirectory)
        user: root
        workloadInterfaces: ["cali*"]
        dns:
          listen: ["\(resolver)"]
          upstreams: ["\(root)"]
          zones: \(zones)
          cacheBytesMax: \(cacheBytesMax)
        metrics: {listen: "127.0.0.1:9253", corednsNames: \(showsCoreDNSNames)}
        health: {listen: "127.0.0.1:8080"}
        """
    }

    private static func write(_ text: String, to path: String) throws {
        try FileManager.default.createDirectory(
            at: URL(filePath: path).deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(filePath: path))
    }

    var log: String { (try? String(contentsOfFile: network.directory + "/daemon.log", encoding: .utf8)) ?? "" }

    private func waitUntilReady() throws {
        for _ in 0..<400 {
            if try network.node.run(["curl", "-sf", "-m", "1", "http://127.0.0.1:8080/ready"], timeoutSeconds: 3).isSuccess { return }
            guard daemon.isRunning else { throw Failure(description: "the daemon ended: \(log)") }
            usleep(25_000)
        }
        throw Failure(description: "the daemon is not ready: \(log)")
    }

    var isRunning: Bool { daemon.isRunning }

    // MARK: What the daemon says

    func exeat(_ command: String...) throws -> CommandResult {
        try network.node.run([Program.path] + command + ["--runtime-directory", network.directory + "/run"])
    }

    /// The names that are bound, with their rows.
    func bindings() throws -> [String: [String: Any]] {
        let result = try exeat("bindings", "--json")
        guard result.isSuccess else { throw Failure(description: result.stderr) }
        let rows = try result.stdout.split(separator: "\n").map { try Program.object(String($0)) }
        return Dictionary(rows.map { ($0["name"] as? String ?? "", $0) }, uniquingKeysWith: { first, _ in first })
    }

    func metricsText() throws -> String {
        let result = try network.node.run(["curl", "-sf", "-m", "5", "http://127.0.0.1:9253/metrics"])
        guard result.isSuccess else { throw Failure(description: "no metrics: \(log)") }
        return result.stdout
    }

    /// `name{labels}` -> value.
    func metrics() throws -> [String: Double] {
        let lines = try metricsText().split(separator: "\n").filter { !$0.hasPrefix("#") }
        return Dictionary(
            lines.compactMap { line in
                guard let space = line.lastIndex(of: " "), let value = Double(line[line.index(after: space)...]) else { return nil }
                return (String(line[..<space]), value)
            }, uniquingKeysWith: { first, _ in first })
    }

    /// A field of `/proc/PID/status`, in KiB.
    func memory(_ field: String) throws -> Int {
        let text = try String(contentsOfFile: "/proc/\(daemon.pid)/status", encoding: .utf8)
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix(field + ":") })
        return try #require(line.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }.first)
    }

    // MARK: What the pod does

    /// Asks for each name in turn from the pod, over UDP; nil where no answer came. Replies as they arrived.
    func ask(_ names: [[UInt8]], type: UInt16 = 1) throws -> [[UInt8]?] {
        let pod = try #require(network.pod("pod-a"))
        return try pod.namespace.withThread {
            names.map { name in
                let query = WireMessage(id: .random(in: .min ... .max), flags: 0x0100, question: name + WireMessage.number(type) + [0, 1])
                    .bytes
                let result = LabClient.udp(to: Self.resolver, port: 53, payload: query, timeoutMilliseconds: 8_000)
                guard result.isConnected, result.reply.count >= 12, result.reply[..<2] == query[..<2] else { return nil }
                return result.reply
            }
        }
    }

    func ask(_ name: String) throws -> [UInt8]? { try ask([WireMessage.name(name)])[0] }

    func connect(to address: [UInt8]) throws -> LabClient.Outcome {
        guard let target = IPAddress(networkBytes: address.span) else { throw Failure(description: "no address: \(address)") }
        let pod = try #require(network.pod("pod-a"))
        return try pod.namespace.withThread { LabClient.connect(to: target, port: 80).outcome }
    }
}
