import DNSInterceptor
import Enforcement
import Logging
import NetworkTypes
import Synchronization

/// The thread of the DNS worker, with its sockets: new, or taken over from the holder.
enum DNSThread {
    static func start(
        configuration: ExeatConfiguration, holder: borrowing HolderClient, gate: consuming WorkerGate, counters: DNSCounters,
        mailbox: DNSMailbox<WorkerGate>, logger: Logger
    ) throws {
        var datagrams: [Int32] = []
        var streams: [Int32] = []
        for address in configuration.dns.listen {
            let names = heldNames(address, configuration.dns.port)
            datagrams.append(
                try open(names[0], holder) {
                    try DNSSockets.bindUDP(address, port: configuration.dns.port)
                })
            streams.append(
                try open(names[1], holder) {
                    try DNSSockets.bindTCP(address, port: configuration.dns.port)
                })
        }
        var options = DNSWorkerConfiguration(upstreams: configuration.dns.upstreams.map { UpstreamAddress($0.address, port: $0.port) })
        options.cacheBytesMax = configuration.dns.cacheBytesMax
        options.positiveSecondsMax = configuration.bindings.ceilingSeconds
        let worker = try DNSWorker(
            configuration: options, datagramSockets: datagrams, streamSockets: streams, gate: gate, counters: counters, mailbox: mailbox)
        let box = Box(worker)
        DaemonThread.start("exeat-dns") { box.worker.run() }
    }

    /// Of the UDP and the TCP socket of one listen address.
    static func heldNames(_ address: IPAddress, _ port: UInt16) -> [String] {
        ["dns-udp-\(address)-\(port)", "dns-tcp-\(address)-\(port)"]
    }

    private static func open(_ name: String, _ holder: borrowing HolderClient, _ make: () throws -> Int32) throws -> Int32 {
        if let kept = try holder.get(name) { return kept }
        let descriptor: Int32
        do {
            descriptor = try make()
        } catch {
            throw DaemonError("\(name): \(error)", hint: "is the address on an interface of this node, and the port free?")
        }
        try holder.put(name, descriptor)
        return descriptor
    }

    private final class Box: @unchecked Sendable {
        var worker: DNSWorker<WorkerGate>
        init(_ worker: consuming DNSWorker<WorkerGate>) { self.worker = worker }
    }
}
