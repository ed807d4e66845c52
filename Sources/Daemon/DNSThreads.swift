import DNSInterceptor
import Dispatch
import Enforcement
import Logging
import NetworkTypes
import Synchronization

/// The threads of the DNS workers, with their sockets: new, or taken over from systemd or the holder.
enum DNSThreads {
    private static let logQueue = DispatchQueue(label: "exeat-dns-log")

    /// One worker for each mailbox. What is limited for the node is shared out among them.
    static func start(
        configuration: ExeatConfiguration, holder: borrowing HolderClient, gate: consuming WorkerGate, counters: [DNSCounters],
        mailboxes: [DNSMailbox<WorkerGate>], hasClasses: Bool, link: HoldLink?, local: Published<LocalData>, liveUpstreams: LiveUpstreams,
        authorities: AuthorityFiles, logs: [Ring<DNSLogRecord>]?, logger: Logger
    ) throws {
        let sockets = try openSockets(configuration.dns, hasClasses, workers: mailboxes.count, holder, logger)
        var options = try options(configuration, hasClasses, liveUpstreams, authorities, logger).divided(among: mailboxes.count)
        options.local = local
        func begin(_ number: Int, _ gate: consuming WorkerGate) throws {
            options.log = logs?[number]
            let worker = try DNSWorker(
                configuration: options, datagramSockets: sockets[number].datagrams, streamSockets: sockets[number].streams, gate: gate,
                counters: counters[number], mailbox: mailboxes[number], link: link, takesRedials: number == 0)
            let box = Box(worker)
            DaemonThread.start(number == 0 ? "exeat-dns" : "exeat-dns-\(number)") { box.worker.run() }
        }
        for number in mailboxes.indices.dropFirst() { try begin(number, gate.another()) }
        try begin(0, gate)
    }

    private static func options(
        _ configuration: ExeatConfiguration, _ hasClasses: Bool, _ liveUpstreams: LiveUpstreams, _ authorities: AuthorityFiles,
        _ logger: Logger
    ) throws -> DNSWorkerConfiguration {
        var options = DNSWorkerConfiguration(upstreams: [])
        var trust = UpstreamTrust(authorities)
        options.root = try trust.zone(configuration.dns.rootZone, files: liveUpstreams)
        for zone in configuration.dns.zones { options.zones.append(try trust.zone(zone, files: liveUpstreams)) }
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
        options.rejectError = configuration.dns.rejectError
        options.cacheBytesMax = configuration.dns.cacheBytesMax
        options.positiveSecondsMax = configuration.bindings.ceilingSeconds
        options.negativeSecondsMax = configuration.dns.negativeSecondsMax
        options.cutsAtNameErrors = configuration.dns.cutsAtNameErrors
        options.tunnels = configuration.dns.tunnels
        options.tunnels.exemptZones += configuration.dns.search.suffixes
        options.search = configuration.dns.search
        options.serviceBindings = configuration.dns.serviceBindings
        options.coalescesAnswers = configuration.dns.coalescesAnswers
        options.failureSeconds = configuration.dns.failureSeconds
        options.staleSecondsMax = configuration.dns.stale.isEnabled ? configuration.dns.stale.staleSecondsMax : 0
        options.staleAnswerSeconds = configuration.dns.stale.answerSeconds
        options.staleClientTimeoutMilliseconds = configuration.dns.stale.clientTimeoutMilliseconds
        options.prefetchHitsMin = configuration.dns.prefetch.isEnabled ? configuration.dns.prefetch.hitsMin : 0
        return options
    }

    // MARK: Sockets

    /// Where queries come in.
    private struct Place {
        let address: IPAddress
        let port: UInt16
        let isStream: Bool
        /// Few processes ask there: one socket, whatever the number of workers.
        var isOfClass = false

        /// Of a worker's socket, at the holder.
        func name(_ worker: Int) -> String { "dns-\(isStream ? "tcp" : "udp")-\(address)-\(port)" + (worker == 0 ? "" : "-\(worker)") }

        func workers(_ count: Int) -> Int { isOfClass ? 1 : count }
    }

    /// Each listen address, its ports that name classes on the first of each family, and there also where intercepted queries come in.
    private static func places(_ dns: ExeatConfiguration.DNS, _ hasClasses: Bool) -> [Place] {
        let first = [IPFamily.v4, .v6].compactMap { family in dns.listen.first { $0.family == family } }
        return [false, true].flatMap { isStream in
            var places = dns.listen.map { Place(address: $0, port: dns.port, isStream: isStream) }
            for address in hasClasses ? first : [] {
                places += (dns.classPort..<dns.classPort + 14).map {
                    Place(address: address, port: $0, isStream: isStream, isOfClass: true)
                }
            }
            if dns.intercepts, !isStream { places += first.map { Place(address: $0, port: dns.interceptPort, isStream: false) } }
            return places
        }
    }

    /// What the holder keeps of the sockets.
    static func heldNames(_ dns: ExeatConfiguration.DNS, hasClasses: Bool) -> [String] {
        places(dns, hasClasses).flatMap { place in (0..<place.workers(dns.workers)).map(place.name) }
    }

    /// Of each worker.
    private static func openSockets(
        _ dns: ExeatConfiguration.DNS, _ hasClasses: Bool, workers: Int, _ holder: borrowing HolderClient, _ logger: Logger
    ) throws -> [(datagrams: [Int32], streams: [Int32])] {
        var sockets = [(datagrams: [Int32], streams: [Int32])](repeating: ([], []), count: workers)
        let seed = UInt32.random(in: 0 ... .max)
        for place in places(dns, hasClasses) {
            var opened: [Int32] = []
            for worker in 0..<place.workers(workers) {
                do {
                    opened.append(try open(place, worker, sharesPort: place.workers(workers) > 1, holder))
                } catch {
                    guard worker > 0 else { throw error }
                    // One of another user cannot be shared, such as one that systemd has made.
                    logger.warning(
                        "not all DNS workers serve an address",
                        metadata: ["socket": "\(place.name(worker))", "workers": "\(worker)", "error": "\(error)"])
                    break
                }
            }
            if opened.count > 1 { try DNSSockets.steer(opened[0], over: opened.count, seed: seed) }
            for (worker, descriptor) in opened.enumerated() {
                if place.isStream { sockets[worker].streams.append(descriptor) } else { sockets[worker].datagrams.append(descriptor) }
            }
        }
        return sockets
    }

    /// A socket that systemd has made, else the one that the holder keeps, else a new one.
    private static func open(_ place: Place, _ worker: Int, sharesPort: Bool, _ holder: borrowing HolderClient) throws -> Int32 {
        let name = place.name(worker)
        do {
            var descriptor = try DNSSockets.adopt(
                from: Inheritance.sockets, place.address, port: place.port, isStream: place.isStream, number: worker)
            let isNew = descriptor != nil
            if descriptor == nil { descriptor = try holder.get(name) }
            if let descriptor {
                if sharesPort { try DNSSockets.share(descriptor) }
                if isNew { try holder.put(name, descriptor) }
                return descriptor
            }
            let made =
                place.isStream
                ? try DNSSockets.bindTCP(place.address, port: place.port, sharesPort: sharesPort)
                : try DNSSockets.bindUDP(place.address, port: place.port, sharesPort: sharesPort)
            try holder.put(name, made)
            return made
        } catch {
            throw DaemonError(
                "\(name): \(error)", hint: "is the address on an interface of this node, and the port (dns.port, dns.interceptPort) free?")
        }
    }

    private final class Box: @unchecked Sendable {
        var worker: DNSWorker<WorkerGate>
        init(_ worker: consuming DNSWorker<WorkerGate>) { self.worker = worker }
    }
}
