import DemoNetwork
import Foundation
import NetfilterTables
import NetworkTypes

/// A small network with one policed pod, and in its node the daemon, our table alone, or nothing.
final class BenchLab {
    let network: DemoNetwork
    let pod: DemoNetwork.Pod
    private(set) var daemon: ChildProcess?
    /// The clients of `tcp-load`, by their arguments, and how many lines each has written.
    var loadClients: [[String]: (program: MeasuredProgram, lines: Int)] = [:]

    static let resolver = IPAddress(v4: 0xa9fe_140a)
    /// The uplink's far end, from which the daemon takes queries without policing them.
    private static let outsider = "10.99.0.2"

    /// Its pods are pod-a, pod-b and so on, all with the label app=shop.
    init(servesWeb: Bool = false, podCount: Int = 1, verifyName: String? = nil) throws {
        var configuration = LabConfiguration()
        configuration.pods = (0..<podCount).map { .init(name: "pod-\("abcdefgh".dropFirst($0).prefix(1))", labels: ["app": "shop"]) }
        configuration.startsWebServers = servesWeb
        configuration.startsEchoServers = false
        network = try DemoNetwork(configuration: configuration)
        try network.start()
        guard let pod = network.pod("pod-a") else { throw BenchError("the lab has no pod") }
        self.pod = pod
        do {
            try FileManager.default.createDirectory(atPath: policyFolder, withIntermediateDirectories: true)
            try write(BenchPolicy.text(verifyName: verifyName), "policies/policy.yaml")
            try write(network.workloadEndpointYAML(), "policies/endpoints.yaml")
        } catch {
            network.stop()
            throw error
        }
    }

    deinit { stop() }

    func stop() {
        daemon?.kill(SIGTERM)
        _ = daemon?.wait(timeoutSeconds: 3)
        daemon = nil
        network.stop()
    }

    var policyFolder: String { path("policies") }

    func path(_ name: String) -> String { "\(network.directory)/\(name)" }

    func write(_ text: String, _ name: String) throws { try text.write(toFile: path(name), atomically: true, encoding: .utf8) }

    static let foreignChains = 10_000

    /// Somebody else's tables, as kube-proxy makes them.
    func addForeignChains() throws {
        let chains = (0..<Self.foreignChains).map { "chain c\($0) { ip daddr 203.0.113.1 counter; }\n" }
        try write("table ip foreign {\n" + chains.joined() + "}\n", "chains.nft")
        let loaded = try network.node.run(["nft", "-f", path("chains.nft")], timeoutSeconds: 60)
        guard loaded.isSuccess else { throw BenchError("nft: \(loaded.stderr)") }
    }

    // MARK: What decides

    /// Starts the daemon with the bench's policy and waits until it is ready. Without leases every first packet is asked about.
    /// Other measurements than that of the limits ask more in a second than a pod may. `extra` are further lines of the configuration.
    func startDaemon(
        _ program: String, hasLeases: Bool = false, namesPerClient: Int = 65_536, hasLimits: Bool = false, connectionsPerSecond: Int = 0,
        dns: String = "", extra: String = ""
    ) throws {
        try write(
            """
            policies: policies
            runtimeDirectory: \(path("run"))
            user: root
            workloadInterfaces: ["cali*"]
            dns:
              listen: ["\(Self.resolver)"]
              upstreams: ["\(DemoNetwork.nameServerAddresses[0])"]
              allowFrom: ["\(Self.outsider)/32"]
              \(dns)
            bindings:
              namesPerClient: \(namesPerClient)
            kernelLeases: \(hasLeases)
            \(hasLimits ? "" : "limits: {questionsPerSecond: 0, hellosPerSecond: 0, queriesPerSecond: 0, connectionsPerSecond: \(connectionsPerSecond), connectionsPerEndpoint: 0}")
            \(extra)
            """, "exeat.yaml")
        let daemon = try network.node.spawn([program, "run", "--config", path("exeat.yaml")], output: path("daemon.log"))
        self.daemon = daemon
        for _ in 0..<400 {
            if try network.node.run(["curl", "-sf", "-m", "1", "http://127.0.0.1:9253/ready"], timeoutSeconds: 2).isSuccess { return }
            guard daemon.isRunning else { break }
            usleep(25_000)
        }
        throw BenchError("the daemon is not ready: \((try? String(contentsOfFile: path("daemon.log"), encoding: .utf8)) ?? "")")
    }

    /// The daemon's table without the daemon: somebody else answers the queue and the DNS queries.
    func installTable(queue: UInt16) throws {
        let known = pod.addresses.map { KnownEndpoint(interface: pod.interfaceOnNode, address: $0) }
        let contents = TableContents(
            known: Set(known), policed: Set(pod.addresses), current: Dictionary(uniqueKeysWithValues: pod.addresses.map { ($0, 1) }))
        try network.node.withThread {
            let features = try TableSocket.probe()
            guard let backend = features.queueBackend else { throw BenchError("this kernel has no NFQUEUE") }
            var table = try TableSocket()
            try table.install(
                TableConfiguration(
                    workloadInterfaces: ["cali*"], queues: queue...queue, dnsListen: [Self.resolver], interceptDNS: true,
                    queueBackend: backend, ownership: .none),
                contents: contents)
        }
    }

    /// The daemon's metrics: a sample's name with its labels -> value.
    func metrics() throws -> [String: Double] {
        let page = try network.node.run(["curl", "-sf", "-m", "5", "http://127.0.0.1:9253/metrics"])
        guard page.isSuccess else { throw BenchError("no metrics") }
        var samples: [String: Double] = [:]
        for line in page.stdout.split(separator: "\n") where !line.hasPrefix("#") {
            guard let space = line.lastIndex(of: " "), let value = Double(line[line.index(after: space)...]) else { continue }
            samples[String(line[..<space])] = value
        }
        return samples
    }
}
