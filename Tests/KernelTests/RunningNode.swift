import DemoNetwork
import Foundation
import NetworkTypes
import Testing

/// A lab with the daemon in its node, and the files that the daemon reads. `stop()` it at the end of the test.
///
/// Pods unless the test says otherwise: `pod-a` (app=shop) and `pod-b` (app=batch) in the namespace `default`.
final class RunningNode {
    let lab: DemoNetwork
    private(set) var daemon: ChildProcess?
    private var echoServers: [EchoServer] = []
    /// Further arguments of `exeat run`.
    private let arguments: [String]
    /// Makes the command that starts the daemon out of its own; the process must become the daemon.
    var launcher: ([String]) -> [String] = { $0 }

    static let resolver = IPAddress(v4: 0xa9fe_140a)
    /// Where `echo` answers.
    static let echoPort: UInt16 = 7_000

    var folder: String { lab.directory + "/config" }
    var runtimeDirectory: String { lab.directory + "/run" }

    /// Builds the lab and writes the files; starts the daemon unless `starts` is false.
    init(
        _ settings: NodeSettings = NodeSettings(), pods: [LabConfiguration.PodConfiguration]? = nil, zones: [String: String] = [:],
        hasWebServer: Bool = true, policies: [String: String], arguments: [String] = [], starts: Bool = true
    ) throws {
        try Program.require()
        self.arguments = arguments
        var configuration = LabConfiguration()
        if let pods { configuration.pods = pods }
        configuration.zones = zones
        configuration.startsEchoServers = false
        configuration.startsWebServers = hasWebServer
        lab = try DemoNetwork(configuration: configuration)
        try lab.start()
        do {
            for name in ["policies", "endpoints"] {
                try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
            }
            try write(settings: settings)
            for (name, text) in policies { try write(policy: name, text) }
            try writeEndpoints()
            if starts { try start() }
        } catch {
            lab.stop()
            throw error
        }
    }

    func stop() {
        for server in echoServers { server.stop() }
        echoServers = []
        lab.stop()
    }

    func pod(_ name: String) throws -> DemoNetwork.Pod { try #require(lab.pod(name), "the lab has no \(name)") }

    // MARK: The daemon

    /// Starts the daemon and waits until it is ready.
    func start() throws {
        let daemon = try launch()
        try Stopwatch.wait("the daemon is ready", seconds: 10) {
            guard daemon.isRunning else { throw Problem("the daemon ended: \(log)") }
            return try lab.node.run(["curl", "-sf", "-m", "1", "http://127.0.0.1:9253/ready"], timeoutSeconds: 3).isSuccess
        }
    }

    /// Starts the daemon, which cannot start: its exit status.
    func startInVain() throws -> Int32 {
        let daemon = try launch()
        return try #require(daemon.wait(timeoutSeconds: 10), "a bad start goes on: \(log)")
    }

    /// Starts the daemon and does not wait.
    @discardableResult
    func launch() throws -> ChildProcess {
        let started = try lab.node.spawn(
            launcher([Program.path, "run", "--config", folder + "/exeat.yaml"] + arguments), output: lab.directory + "/daemon.log")
        daemon = started
        return started
    }

    /// Has every thread of the daemon stand still, until SIGCONT.
    func suspend() throws -> ChildProcess {
        let daemon = try #require(daemon)
        daemon.kill(SIGSTOP)
        let threads = "/proc/\(daemon.pid)/task"
        try Stopwatch.wait("every thread stands still") {
            try FileManager.default.contentsOfDirectory(atPath: threads).allSatisfy { thread in
                try String(contentsOfFile: "\(threads)/\(thread)/stat", encoding: .utf8).contains(") T ")
            }
        }
        return daemon
    }

    /// Ends the daemon with a signal and gives its exit status.
    @discardableResult
    func end(_ signal: Int32) throws -> Int32 {
        let daemon = try #require(daemon)
        daemon.kill(signal)
        return try #require(daemon.wait(timeoutSeconds: 5), "signal \(signal) does not end the daemon")
    }

    // MARK: The far side

    /// Echo, TCP and UDP on port 7000 of addresses of the internet.
    @discardableResult
    func echo(_ addresses: String...) throws -> EchoServer {
        let parsed = try addresses.map { try #require(IPAddress(parsing: $0)) }
        let server = try EchoServer(namespace: lab.internet, addresses: parsed, port: Self.echoPort)
        echoServers.append(server)
        return server
    }

    /// Echo on port 7000 of a pod, or of its node.
    @discardableResult
    func echo(in pod: DemoNetwork.Pod) throws -> EchoServer {
        let server = try EchoServer(namespace: pod.namespace, addresses: pod.addresses, port: Self.echoPort)
        echoServers.append(server)
        return server
    }
}
