import CLinux
import Glibc
import NetfilterQueue
import NetfilterTables
import NetworkTypes
import Synchronization

/// Carries a socket that cannot be copied between threads; the tests use it from one at a time.
final class TableBox: @unchecked Sendable {
    var socket: TableSocket
    init(_ socket: consuming TableSocket) { self.socket = socket }
}

/// A network with the table installed at the node and a thread that serves its queues.
final class Fixture: Sendable {
    let network: TestNetwork
    let table: TableBox
    let script = Script()
    let configuration: TableConfiguration
    private let tasks: [NamespaceTask<QueueCounters>]
    private let servers: [EchoServer]
    static let queues: ClosedRange<UInt16> = 100...101

    static func standardConfiguration(_ change: (inout TableConfiguration) -> Void = { _ in }) throws -> TableConfiguration {
        var configuration = TableConfiguration(
            workloadInterfaces: ["cali*"], podPrefixes: [IPPrefix(parsing: "192.0.2.0/24")!], queues: queues,
            dnsListen: [TestNetwork.dnsAddress, TestNetwork.dns6Address], dnsPort: 53, interceptDNS: true, queueBackend: try backend(),
            ownership: .ownerPersist)
        change(&configuration)
        return configuration
    }

    static func backend() throws -> QueueBackend { try TableSocket.probe().has(.nativeQueue) ? .native : .compat }

    /// Both pods are known; podA is policed under generation 1.
    static let contents = TableContents(
        known: [
            KnownEndpoint(interface: "caliA", address: TestNetwork.addressA),
            KnownEndpoint(interface: "caliA", address: TestNetwork.address6A),
            KnownEndpoint(interface: "caliB", address: TestNetwork.addressB),
            KnownEndpoint(interface: "caliB", address: TestNetwork.address6B),
        ],
        policed: [TestNetwork.addressA, TestNetwork.address6A],
        current: [TestNetwork.addressA: 1, TestNetwork.address6A: 1])

    init(contents: TableContents = Fixture.contents, serveQueues: Bool = true, _ change: (inout TableConfiguration) -> Void = { _ in })
        throws
    {
        let network = try TestNetwork()
        let configuration = try Self.standardConfiguration(change)
        self.network = network
        self.configuration = configuration
        table = try inNamespace(network.node) {
            var socket = try TableSocket()
            try socket.install(configuration, contents: contents)
            return TableBox(socket)
        }
        let script = script
        tasks =
            serveQueues
            ? configuration.queues.map { queue in
                NamespaceTask(network.node) {
                    var socket = try QueueSocket(queue: queue)
                    var handler = ScriptedHandler(script: script, mark: configuration.mark)
                    while !script.state.withLock({ $0.isStopped }) { _ = try socket.serve(&handler, timeoutMilliseconds: 20) }
                    return socket.counters
                }
            } : []
        servers = [
            try EchoServer(
                network.server,
                [
                    Endpoint(TestNetwork.serverAddress, 80), Endpoint(TestNetwork.server6Address, 80),
                    Endpoint(TestNetwork.serverAddress, 81),
                ]),
            try EchoServer(network.podA, [Endpoint(TestNetwork.addressA, 80), Endpoint(TestNetwork.address6A, 80)]),
            try EchoServer(network.podB, [Endpoint(TestNetwork.addressB, 80), Endpoint(TestNetwork.address6B, 80)]),
            try EchoServer(
                network.node,
                [
                    Endpoint(TestNetwork.dnsAddress, 53), Endpoint(TestNetwork.dns6Address, 53),
                    Endpoint(TestNetwork.dnsAddress, 10_053), Endpoint(TestNetwork.dns6Address, 10_053),
                    Endpoint(IPAddress(parsing: "198.51.100.1")!, 80),
                ]),
        ]
        if serveQueues {
            let bound = try inNamespace(network.node) { waitUntil { QueueStatistics.all().count == configuration.queues.count } }
            if !bound { for task in tasks { _ = try task.join() } }
        }
    }

    func stop() {
        script.state.withLock { $0.isStopped = true }
        for task in tasks { _ = try? task.join() }
        for server in servers { server.stop() }
    }

    // What the tests do from the pods.

    func connect(from namespace: String, to address: IPAddress, _ port: UInt16 = 80, timeout: Double = 0.7, mark: UInt32 = 0) throws -> (
        Client?, Attempt, Double
    ) {
        try inNamespace(namespace) { Client.connect(Endpoint(address, port), timeout: timeout, mark: mark) }
    }

    func udp(from namespace: String, to address: IPAddress, _ port: UInt16 = 80) throws -> Client {
        try inNamespace(namespace) { Client.udp(Endpoint(address, port)) }
    }

    func counter(_ counter: TableCounter) throws -> UInt64 {
        try table.socket.counters().first { $0.reason == counter.rawValue }?.packets ?? 0
    }

    func node(_ command: String, mustSucceed: Bool = true) throws -> Output {
        try inNamespace(network.node) { try shell(command, mustSucceed: mustSucceed) }
    }
}
