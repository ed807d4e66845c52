import Foundation
import Logging
import NetfilterTables
import NetworkTypes

/// Before there is a daemon: the one lock, the table that the configuration asks for, and what a start that failed leaves.
extension ExeatDaemon {
    /// What a start that failed leaves: a table that knows no endpoint, unless one is in force already. Where the runtime directory is not to be trusted nobody
    /// is asked for the table, and it is left without an owner.
    static func failStart(_ configuration: ExeatConfiguration, trustsDirectory: Bool = true, _ logger: Logger) {
        guard configuration.startFailure == .closed, configuration.mode == .enforce else { return }
        do {
            let holder = trustsDirectory ? try HolderClient(startingIn: configuration.runtimeDirectory) : nil
            if try holder?.get("table") != nil {
                logger.error("start failed; the table of the daemon before stays in force")
                return
            }
            var closed = try tableConfiguration(configuration, try TableSocket.probe())
            if !trustsDirectory { closed.ownership = .none }
            var table = try TableSocket()
            try table.install(closed, contents: TableContents())
            try holder?.put("table", table.descriptor)
            logger.error("start failed; workload interfaces are closed until a good start or `exeat down`")
        } catch {
            logger.critical("start failed, and workload interfaces could not be closed", metadata: ["error": "\(error)"])
        }
    }

    static func lockPath(_ directory: String) -> String { "\(directory)/lock" }

    /// One daemon for each runtime directory: two would write one registry and one store, and take each other's packets.
    static func lock(_ directory: String) throws {
        let path = lockPath(directory)
        let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw DaemonError("cannot open \(path)", code: errno) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            throw DaemonError("another daemon uses \(directory)", hint: "`exeat status` asks it; `exeat down` ends it")
        }
    }

    static func tableConfiguration(_ configuration: ExeatConfiguration, _ features: KernelFeatures) throws -> TableConfiguration {
        let lacking = features.missing
        guard lacking.isEmpty, let backend = features.queueBackend, let mark = MarkLayout(mask: configuration.markMask) else {
            throw DaemonError(
                "this kernel lacks \(lacking.map(\.rawValue).joined(separator: ", "))", hint: "`exeat doctor` says what each is needed for")
        }
        var table = TableConfiguration(
            workloadInterfaces: configuration.workloadInterfaces, podPrefixes: configuration.podPrefixes,
            queues: configuration.queues.first...(configuration.queues.first + UInt16(configuration.queues.count - 1)),
            helloQueues: configuration.helloQueues, mark: mark,
            mode: configuration.mode == .enforce ? .enforce : .audit, dnsListen: configuration.dns.listen, dnsPort: configuration.dns.port,
            interceptDNS: configuration.dns.intercepts && !configuration.dns.listen.isEmpty,
            dnsInterceptPort: configuration.dns.interceptPort, hasLeases: configuration.hasKernelLeases && features.has(.leases),
            rejectsRevoked: configuration.denyAction == .reject,
            questionLimit: configuration.limits.questionsPerSecond > 0 && features.has(.endpointLimits)
                ? RateLimit(
                    packetsPerSecond: configuration.limits.questionsPerSecond, burst: configuration.limits.questionsBurst) : nil,
            queryLimit: configuration.limits.queriesPerSecond > 0 && features.has(.endpointLimits)
                ? RateLimit(
                    packetsPerSecond: configuration.limits.queriesPerSecond, burst: configuration.limits.queriesBurst) : nil,
            connectionLimit: configuration.limits.connectionsPerSecond > 0 && features.has(.endpointLimits)
                ? RateLimit(
                    packetsPerSecond: configuration.limits.connectionsPerSecond, burst: configuration.limits.connectionsBurst) : nil,
            capsConnections: configuration.limits.connectionsPerEndpoint != 0,
            queueBackend: backend, ownership: features.ownership)
        if configuration.limits.hellosPerSecond > 0, features.has(.endpointLimits) {
            table.helloLimit = RateLimit(packetsPerSecond: configuration.limits.hellosPerSecond, burst: configuration.limits.hellosBurst)
        }
        table.isDNSUntracked = configuration.dns.isDNSUntracked
        table.countsUnaskedAnswers = features.has(.sockets)
        table.resolverUser = geteuid()
        table.snooping = configuration.dns.snooping
        table.snoopQueue = configuration.snoopQueue
        return table
    }

    /// The node itself may ask its own resolver.
    static func ownAddresses(_ configuration: ExeatConfiguration) -> [IPPrefix] {
        [IPPrefix(parsing: "127.0.0.0/8"), IPPrefix(parsing: "::1/128")].compactMap { $0 } + configuration.dns.listen.map { IPPrefix($0) }
    }
}
