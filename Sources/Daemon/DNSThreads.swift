import DNSInterceptor
import Dispatch
import Enforcement
import Logging
import NetworkTypes
import Synchronization

/// The thread of the DNS worker, with its sockets: new, or taken over from the holder.
enum DNSThread {
    private static let logQueue = DispatchQueue(label: "exeat-dns-log")

    static func start(
        configuration: ExeatConfiguration, holder: borrowing HolderClient, gate: consuming WorkerGate, counters: DNSCounters,
        mailbox: DNSMailbox<WorkerGate>, hasClasses: Bool, link: HoldLink?, local: Published<LocalData>, upstreamFiles: UpstreamFiles,
        authorities: AuthorityFiles, log: Ring<DNSLogRecord>?,
        logger: Logger
    ) throws {
        var datagrams: [Int32] = []
        var streams: [Int32] = []
        for (address, port) in datagramSockets(configuration.dns, hasClasses) {
            datagrams.append(
                try open(datagramName(address, port), (address, port, isStream: false), holder) {
                    try DNSSockets.bindUDP(address, port: port)
                })
        }
        for (address, port) in streamSockets(configuration.dns, hasClasses) {
            streams.append(
                try open(streamName(address, port), (address, port, isStream: true), holder) {
                    try DNSSockets.bindTCP(address, port: port)
                })
        }
        var options = DNSWorkerConfiguration(upstreams: [])
        var trust = UpstreamTrust(authorities)
        options.root = try trust.zone(configuration.dns.rootZone, files: upstreamFiles)
        for zone in configuration.dns.zones { options.zones.append(try trust.zone(zone, files: upstreamFiles)) }
        options.tell = { notice in
            // Writing may wait, and the worker must not.
            logQueue.async {
                logger.warning(
                    "upstream not used over TLS",
                    metadata: ["upstream": "\(notice.upstream)", "reason": "\(notice.fault.text)", "detail": "\(notice.detail)"])
            }
        }
        options.classPort = hasClasses ? configuration.dns.classPort : nil
        options.rejectResponse = configuration.dns.rejectResponse
        options.cacheBytesMax = configuration.dns.cacheBytesMax
        options.positiveSecondsMax = configuration.bindings.ceilingSeconds
        options.negativeSecondsMax = configuration.dns.negativeSecondsMax
        options.cutsAtNameErrors = configuration.dns.cutsAtNameErrors
        options.local = local
        options.log = log
        options.tunnels = configuration.dns.tunnels
        options.tunnels.exemptZones += configuration.dns.search.suffixes
        options.search = configuration.dns.search
        options.serviceBindings = configuration.dns.serviceBindings
        options.failureSeconds = configuration.dns.failureSeconds
        options.staleSecondsMax = configuration.dns.stale.isEnabled ? configuration.dns.stale.staleSecondsMax : 0
        options.staleAnswerSeconds = configuration.dns.stale.answerSeconds
        options.staleClientTimeoutMilliseconds = configuration.dns.stale.clientTimeoutMilliseconds
        options.prefetchHitsMin = configuration.dns.prefetch.isEnabled ? configuration.dns.prefetch.hitsMin : 0
        let worker = try DNSWorker(
            configuration: options, datagramSockets: datagrams, streamSockets: streams, gate: gate, counters: counters, mailbox: mailbox,
            link: link)
        let box = Box(worker)
        DaemonThread.start("exeat-dns") { box.worker.run() }
    }

    /// What the holder keeps of the sockets.
    static func heldNames(_ dns: ExeatConfiguration.DNS, hasClasses: Bool) -> [String] {
        datagramSockets(dns, hasClasses).map { datagramName($0.address, $0.port) }
            + streamSockets(dns, hasClasses).map { streamName($0.address, $0.port) }
    }

    /// Ports that name classes, on the first address of each family.
    private static func classSockets(_ dns: ExeatConfiguration.DNS) -> [(address: IPAddress, port: UInt16)] {
        var sockets: [(address: IPAddress, port: UInt16)] = []
        for family: IPFamily in [.v4, .v6] {
            guard let address = dns.listen.first(where: { $0.family == family }) else { continue }
            for port in dns.classPort..<dns.classPort + 14 { sockets.append((address: address, port: port)) }
        }
        return sockets
    }

    private static func streamSockets(_ dns: ExeatConfiguration.DNS, _ hasClasses: Bool) -> [(address: IPAddress, port: UInt16)] {
        dns.listen.map { (address: $0, port: dns.port) } + (hasClasses ? classSockets(dns) : [])
    }

    /// The queries of each listen address, and on the first of each family those that are intercepted.
    private static func datagramSockets(_ dns: ExeatConfiguration.DNS, _ hasClasses: Bool) -> [(address: IPAddress, port: UInt16)] {
        var sockets = dns.listen.map { (address: $0, port: dns.port) } + (hasClasses ? classSockets(dns) : [])
        guard dns.intercepts else { return sockets }
        for family: IPFamily in [.v4, .v6] {
            if let address = dns.listen.first(where: { $0.family == family }) { sockets.append((address, dns.interceptPort)) }
        }
        return sockets
    }

    private static func datagramName(_ address: IPAddress, _ port: UInt16) -> String { "dns-udp-\(address)-\(port)" }

    private static func streamName(_ address: IPAddress, _ port: UInt16) -> String { "dns-tcp-\(address)-\(port)" }

    /// A socket that systemd has made, else the one that the holder keeps, else a new one.
    private static func open(
        _ name: String, _ wanted: (address: IPAddress, port: UInt16, isStream: Bool), _ holder: borrowing HolderClient,
        _ make: () throws -> Int32
    ) throws -> Int32 {
        let descriptor: Int32
        do {
            if let given = try DNSSockets.adopt(
                from: Inheritance.sockets, wanted.address, port: wanted.port, isStream: wanted.isStream)
            {
                descriptor = given
            } else if let kept = try holder.get(name) {
                return kept
            } else {
                descriptor = try make()
            }
        } catch {
            throw DaemonError(
                "\(name): \(error)", hint: "is the address on an interface of this node, and the port (dns.port, dns.interceptPort) free?")
        }
        try holder.put(name, descriptor)
        return descriptor
    }

    private final class Box: @unchecked Sendable {
        var worker: DNSWorker<WorkerGate>
        init(_ worker: consuming DNSWorker<WorkerGate>) { self.worker = worker }
    }
}
