import DNSInterceptor
import Datastores
import Dispatch
import Enforcement
import Foundation
import Logging
import NameInspection
import NetfilterTables
import NetworkTypes
import PolicyEngine
import PolicyModel
import Synchronization

/// The daemon: makes the parts, connects them, starts their threads and waits for a signal. Wiring only.
///
/// Start: policy, holder, sockets (new, or taken over from the holder), bindings, threads, table, services. What can
/// fail fails before the table is touched; a bad start leaves workload interfaces closed (`startFailure`).
public final class ExeatDaemon: @unchecked Sendable {
    let configuration: ExeatConfiguration
    private let logger: Logger
    private let features: KernelFeatures
    private let holder: HolderClient
    let published: Published<CompiledPolicy>
    let control: ControlPlane
    let flowLog: FlowLog
    let dnsLog: DNSLog?
    let flowMailbox: FlowMailbox
    let flows: FlowWatch
    /// One for each DNS worker; redials, and work on the table of names, go to the first.
    let mailboxes: [DNSMailbox<WorkerGate>]
    let pulses: [WorkerPulse]
    let dnsTotals: DNSTotals
    let link: HoldLink?
    private let hostFiles: HostFiles
    let liveUpstreams: LiveUpstreams
    let authorityFiles: AuthorityFiles
    let verdictCounters: [VerdictCounters]
    let helloCounters: [HelloCounters]
    let verifiedNames: VerifiedNames
    let queueReports: [QueueReport]
    let lastNameReport = Mutex(NameReport())
    let isReady = Atomic<Bool>(false)
    let startTime = BootClock.now()

    /// Runs until SIGTERM or SIGINT, or until `exeat down`. SIGHUP reloads the policy.
    ///
    /// `lacking` are features that it takes the kernel not to have, to try what is used in their place.
    ///
    /// Ending by a signal leaves the table and the holder: workloads then reach nothing new until the next start.
    public static func run(configurationFile: String, lacking: Set<KernelFeature> = []) async throws {
        var logger = Logger(label: "exeat") { PlainLogHandler(label: $0) }
        logger.logLevel = .info
        signal(SIGPIPE, SIG_IGN)
        OpenFiles.raiseLimit(logger)
        let configuration: ExeatConfiguration
        do throws(ConfigurationFailure) {
            configuration = try ExeatConfiguration.read(file: configurationFile)
        } catch {
            // Closed by what could be read of it.
            if let partial = error.readSoFar {
                do {
                    try RuntimeDirectory.make(partial.runtimeDirectory, user: (try? Privileges.account(partial))?.user)
                    failStart(partial, logger)
                } catch {
                    logger.error("\(error)")
                    failStart(partial, trustsDirectory: false, logger)
                }
            } else {
                logger.critical("the configuration names no workload interfaces: nothing could be closed, what was in force stays")
            }
            throw error
        }
        do {
            try RuntimeDirectory.make(configuration.runtimeDirectory, user: Privileges.account(configuration)?.user)
        } catch {
            failStart(configuration, trustsDirectory: false, logger)
            throw error
        }
        // Before anything that another daemon uses is touched, its files' owners too. The descriptor is closed by the end of the process, and by
        // execve(2), after which it is taken again.
        try lock(configuration.runtimeDirectory)
        do {
            if !Inheritance.isLimited {
                StubResolver.note(configuration)
                for path in UnseenPath.find() { logger.warning("packets may pass by the rules", metadata: ["unseen": "\(path)"]) }
            }
            // As root this process begins anew here, with what is needed and no more.
            try Privileges.limit(configuration, logger)
        } catch {
            failStart(configuration, logger)
            throw error
        }
        let watch = FolderWatch(PolicyFolder(paths: [configuration.policies] + (configuration.endpoints.map { [$0] } ?? [])))
        let load = watch.load()
        guard load.isUsable else {
            for diagnostic in load.diagnostics { logger.error("policy refused", metadata: ["diagnostic": "\(diagnostic)"]) }
            failStart(configuration, logger)
            throw ConfigurationFailure(diagnostics: load.diagnostics)
        }
        let daemon: ExeatDaemon
        do {
            daemon = try ExeatDaemon(configuration, lacking, watch: watch, load: load, logger: logger)
        } catch {
            failStart(configuration, logger)
            throw error
        }
        try await daemon.serve()
    }

    private init(_ given: ExeatConfiguration, _ lacking: Set<KernelFeature>, watch: FolderWatch, load: ResourceLoad, logger: Logger) throws
    {
        var configuration = given
        let felix = load.resources.felix(ofNode: configuration.node)
        configuration.adopt(felix)
        if configuration.limits.connectionsPerEndpoint == nil {
            let text = try? TextFile.read("/proc/sys/net/netfilter/nf_conntrack_max")
            configuration.limits.connectionsPerEndpoint = ExeatConfiguration.Limits.standardConnections(
                conntrackMax: text.flatMap { Int($0.split(separator: "\n").first ?? "") }, flowsMax: configuration.flowsMax)
        }
        self.configuration = configuration
        let workers = configuration.dns.workers
        // One more for what is read of others' DNS.
        let snoops = configuration.dns.snooping != .none
        dnsTotals = DNSTotals(
            (0..<workers + (snoops ? 1 : 0)).map { DNSCounters(talliesReplies: $0 < workers && configuration.hasCoreDNSNames) })
        self.logger = logger
        features = try TableSocket.probe().without(lacking)
        let tableConfiguration = try Self.tableConfiguration(configuration, features).with(felix)
        try ListenAddresses.use(
            configuration.dns.listen, on: configuration.dns.interface, runtimeDirectory: configuration.runtimeDirectory)
        try UnseenPath.refuseBridged(load.resources.endpoints, isLocal: configuration.isLocal)
        let hostAddresses = try HostAddresses.current()
        if let refusal = hostAddresses.refusal(of: load.resources.endpoints, isLocal: configuration.isLocal) {
            throw ConfigurationFailure(diagnostics: [refusal])
        }
        let nodeAddresses = hostAddresses.all(with: configuration.dns.listen)
        let resources = hostAddresses.complete(
            load.resources, resolver: configuration.dns.listen, isLocal: configuration.isLocal)
        holder = try HolderClient(startingIn: configuration.runtimeDirectory)
        mailboxes = try (0..<workers).map { _ in try DNSMailbox<WorkerGate>() }
        pulses = mailboxes.map { WorkerPulse($0) }
        let directory = configuration.runtimeDirectory

        // Policy, with the numbers and generations of the process before.
        liveUpstreams = LiveUpstreams(configuration, load.resources.serviceEndpoints, logger: logger)
        authorityFiles = try AuthorityFiles(configuration, logger: logger)
        var options = configuration.policyOptions
        options.trustedResolvers = configuration.trustedResolvers(liveUpstreams.servers)
        var compiler = PolicyCompiler(options)
        let registryMemory = try MappedFile.map(
            "\(directory)/endpoints", byteCount: EndpointRegistry.byteCount(capacity: configuration.endpointsMax))
        var registry = EndpointRegistry(
            registryMemory, capacity: configuration.endpointsMax, generationMax: UInt16(tableConfiguration.mark.generationMax))
        let (policy, generations, _) = ControlPlane.compile(
            resources, &compiler, &registry, previous: nil, layout: tableConfiguration.mark, isLocal: configuration.isLocal,
            nodeAddresses: nodeAddresses)
        published = Published(policy)
        // Bindings and flows tell endpoints by their numbers.
        let boot = MappedFile.bootMark(logger)
        let bootMark = boot ^ registry.era

        // Bindings.
        let limits = configuration.bindings
        let storeMemory = try MappedFile.map(
            "\(directory)/bindings", byteCount: BindingStore.byteCount(capacity: limits.bindings), growth: logger)
        let store = BindingStore(storeMemory, capacity: limits.bindings, bootMark: bootMark)
        let addresses = AddressTable(
            try MappedFile.anonymous(byteCount: AddressTable.byteCount(slots: limits.bindings * 2)),
            seed: (.random(in: 0 ... .max), .random(in: 0 ... .max)))
        verifiedNames = VerifiedNames(
            try MappedFile.map("\(directory)/hellos", byteCount: VerifiedNames.byteCount(flows: configuration.flowsMax)),
            flows: configuration.flowsMax, bootMark: boot, seed: (.random(in: 0 ... .max), .random(in: 0 ... .max)))
        let index = NameIndex(
            try MappedFile.anonymous(byteCount: NameIndex.byteCount(capacity: limits.bindings)),
            seed: verifiedNames.seed)
        let names = NameTable(limits: limits, table: addresses, store: store, index: index, policy: policy, now: BootClock.now())
        let seenNames = SeenNames(index: index, verified: verifiedNames, store: store)
        let recovered = names.bindingCount
        // Only now that they have no bindings: the next that come may get their numbers.
        registry.retain(Set(policy.endpoints.map(\.identity)))
        let gate = DNSGate(
            names: names, policy: policy, rebinding: configuration.dns.rebinding,
            allowedSources: configuration.dns.allowFrom + Self.ownAddresses(configuration))

        // Queues.
        let link =
            configuration.hold.isOn && configuration.mode == .enforce && !configuration.dns.listen.isEmpty
            ? HoldLink(endpointsMax: configuration.endpointsMax, threads: configuration.queues.count) : nil
        self.link = link
        var rings: [Ring<FlowRecord>] = []
        var resetRings: [Ring<FlowReset>] = []
        var counters: [VerdictCounters] = []
        var reports: [QueueReport] = []
        for index in 0..<configuration.queues.count {
            let ring = Ring<FlowRecord>(capacity: FlowLog.recordsMax, filler: .filler)
            let verdicts = VerdictCounters()
            let resets = Ring<FlowReset>(capacity: 4_096, filler: .filler)
            let number = configuration.queues.first + UInt16(index)
            let engine = VerdictEngine(
                policy: published, table: addresses, facts: ring, counters: verdicts, mode: configuration.mode,
                denyAction: configuration.denyAction,
                leases: tableConfiguration.hasLeases
                    ? LeaseBudget(
                        endpointsMax: configuration.endpointsMax, countMax: LeaseBudget.perEndpoint / configuration.queues.count) : .none,
                resets: resets, names: seenNames, flights: link?.flights, redialSeconds: limits.redialSeconds)
            let queue = try Self.openQueue(number, holder, Self.queueOptions(configuration))
            let report = QueueReport(queue: number)
            VerdictThread.start(
                queue: queue,
                handler: VerdictHandler(
                    engine: engine, layout: tableConfiguration.mark,
                    hold: Self.hold(configuration, link, thread: index, verdicts, mailboxes[0])), report: report, logger: logger,
                reopen: { [configuration] in try Self.reopenQueue(number, configuration, Self.queueOptions(configuration)) })
            rings.append(ring)
            resetRings.append(resets)
            counters.append(verdicts)
            reports.append(report)
        }
        // Queues of hellos.
        var helloRings: [Ring<HelloRecord>] = []
        var hellos: [HelloCounters] = []
        for number in configuration.helloQueues {
            let ring = Ring<HelloRecord>(capacity: FlowLog.helloRecordsMax, filler: .filler)
            let verdicts = VerdictCounters()
            let counted = HelloCounters()
            let resets = Ring<FlowReset>(capacity: 4_096, filler: .filler)
            let engine = HelloEngine(
                policy: published, table: addresses, names: seenNames, records: ring, verdicts: verdicts, counters: counted,
                mode: configuration.mode, denyAction: configuration.denyAction, resets: resets)
            let queue = try Self.openQueue(number, holder, Self.helloQueueOptions(configuration))
            let report = QueueReport(queue: number)
            VerdictThread.start(
                queue: queue, handler: HelloHandler(engine: engine, layout: tableConfiguration.mark), report: report, logger: logger,
                reopen: { [configuration] in try Self.reopenQueue(number, configuration, Self.helloQueueOptions(configuration)) })
            helloRings.append(ring)
            hellos.append(counted)
            resetRings.append(resets)
            counters.append(verdicts)
            reports.append(report)
        }
        helloCounters = hellos
        verdictCounters = counters
        flowMailbox = try FlowMailbox()
        flowLog = try FlowLog(
            rings: rings, hellos: helloRings, store: store, mailbox: flowMailbox, configuration: configuration.flowLog, logger: logger)
        flowLog.use(policy)
        let flowMemory = try MappedFile.map(
            "\(directory)/flows", byteCount: FlowTable.byteCount(capacity: configuration.flowsMax), growth: logger)
        flows = try FlowWatch(
            memory: flowMemory, capacity: configuration.flowsMax, bootMark: bootMark,
            connectionsPerEndpoint: configuration.limits.connectionsPerEndpoint ?? 0, layout: tableConfiguration.mark, published: published,
            names: mailboxes[0], mailbox: flowMailbox, flowLog: flowLog, resets: resetRings, verifiedNames: verifiedNames, logger: logger)

        let snoopGate = snoops ? gate.another() : nil
        // DNS. More sockets cost every turn of the worker, so those of classes are there only if they may be wanted.
        let hasClassPorts =
            !configuration.dns.listen.isEmpty
            && (configuration.given.contains("dns.classPort") || policy.endpoints.contains { $0.classNumber != 0 })
        hostFiles = HostFiles(configuration, logger: logger)
        dnsLog = try DNSLog(configuration.dnsLog, workers: dnsTotals.workers.count, published, logger: logger)
        if let snoopGate {
            reports.append(
                try Self.startSnooping(
                    configuration, holder, gate: snoopGate, counters: dnsTotals.workers[workers], log: dnsLog?.rings[workers],
                    policy: published, layout: tableConfiguration.mark, logger: logger))
        }
        queueReports = reports
        try DNSThreads.start(
            configuration: configuration, holder: holder, gate: gate, counters: dnsTotals.workers, mailboxes: mailboxes,
            hasClasses: hasClassPorts, link: link, local: hostFiles.published, liveUpstreams: liveUpstreams,
            authorities: authorityFiles, logs: dnsLog?.rings, logger: logger)

        // The table.
        let kept = try holder.get("table")
        let table = if let kept { try TableSocket(adopting: kept) } else { try TableSocket() }
        let tableDescriptor = table.descriptor
        control = ControlPlane(
            configuration: configuration, watch: watch, compiler: compiler, registry: registry, table: table,
            tableConfiguration: tableConfiguration, published: published, mailboxes: mailboxes, flowLog: flowLog,
            revocations: { [verdictCounters] in verdictCounters.reduce(0) { $0 + $1.revocations } },
            allowedDatagrams: { [helloCounters] in helloCounters.reduce(0) { $0 + $1.allowedDatagrams } }, hasClassPorts: hasClassPorts,
            hostAddresses: hostAddresses, servers: liveUpstreams.servers, hasCgroups: features.has(.cgroups), logger: logger)
        if kept == nil {
            let hosts = ControlPlane.nodeAddresses(
                policed: ControlPlane.contents(of: policy, nodeAddresses: nodeAddresses), policy)
            NodeConnections.announce(
                hosts, failsafe: felix.failsafeInboundHostPorts ?? FelixConfiguration.defaultFailsafeInbound,
                classes: NodeClasses(policy, NodeOwners.current(hasCgroups: features.has(.cgroups)) ?? .unknown) { _ in nil }.rules,
                tableConfiguration.mark, logger)
        }
        if kept == nil, configuration.existingFlows == .keep {
            try ExistingFlows.keep(policy, tableConfiguration.mark, logger)
        }
        try control.install(policy: policy, resources: load.resources, exhausted: generations.exhausted)
        // Only now: what the holder has under this name is a table in force (see failStart).
        if kept == nil { try holder.put("table", tableDescriptor) }
        try holder.retain(Self.heldNames(configuration, hasClasses: hasClassPorts))
        logger.info(
            "enforcing",
            metadata: [
                "mode": "\(configuration.mode.rawValue)", "policies": "\(load.resources.policies.count)",
                "endpoints": "\(policy.endpoints.count)", "recovered_bindings": "\(recovered)",
                "snoop": "\(configuration.dns.snooping.rawValue)", "queue": "\(tableConfiguration.queueBackend.rawValue)",
                "table": "\(tableConfiguration.ownership.rawValue)",
            ])
    }

    // MARK: Running

    private func serve() async throws {
        Privileges.confine(logger)
        flowLog.start()
        dnsLog?.start()
        flows.start { [control] in control.cap($0) }
        let socket = try ControlSocket(runtimeDirectory: configuration.runtimeDirectory, logger: logger) { [self] words, client in
            try answer(words, client)
        }
        socket.start()
        liveUpstreams.start { [control] in control.ask($0) }
        try control.start { [liveUpstreams] in liveUpstreams.adopt($0) }
        authorityFiles.start()
        GuardThread(
            control: control, queues: queueReports, published: published, report: control.guardReport, pulses: pulses,
            isHolderAlive: { [self] in holder.isAlive },
            hearsAnnouncements: features.has(.announcements), logger: logger
        ).start()
        isReady.store(true, ordering: .releasing)
        ServiceManager.tell(.ready)
        let (endings, ender) = AsyncStream.makeStream(of: Int32.self)
        end.withLock { $0 = ender }
        let sources = [SIGTERM, SIGINT, SIGHUP].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number)
            source.setEventHandler { [self] in
                if number == SIGHUP { control.requestReload() } else { ender.yield(number) }
            }
            source.resume()
            return source
        }
        var servicesLogger = Logger(label: "exeat.http")
        servicesLogger.logLevel = .critical
        let server = MetricsServer(
            page: { [self] in metricsPage() }, isReady: { [self] in isServing }, logger: servicesLogger)
        let listeners = [configuration.metrics] + (configuration.health.map { [$0] } ?? [])
        let tasks = listeners.map { listener in
            Task { [logger] in
                do {
                    try await server.run(on: listener)
                } catch {
                    logger.error(
                        "metrics are not served", metadata: ["listen": "\(listener.address):\(listener.port)", "error": "\(error)"])
                }
            }
        }
        for await number in endings {
            logger.info("ending", metadata: ["signal": "\(number)"])
            break
        }
        isReady.store(false, ordering: .releasing)
        ServiceManager.tell(.stopping)
        for source in sources { source.cancel() }
        for task in tasks { task.cancel() }
        liveUpstreams.stop()
        authorityFiles.stop()
        control.stop()
        for mailbox in mailboxes { mailbox.stop() }
        for _ in 0..<150 where !mailboxes.allSatisfy(\.hasEnded) { try? await Task.sleep(for: .milliseconds(10)) }
        flowMailbox.stop()
        flowLog.stop()
        dnsLog?.stop()
        socket.stop()
        for _ in 0..<300 where dnsLog?.hasEnded == false || !flowLog.hasEnded { try? await Task.sleep(for: .milliseconds(10)) }
        // The answer to `exeat down`.
        try? await Task.sleep(for: .milliseconds(50))
    }

    private let end = Mutex<AsyncStream<Int32>.Continuation?>(nil)

    private func answer(_ words: [String], _ client: ControlConnection) throws {
        switch words.first {
        case "status": for line in statusLines() where !client.write(line) { return }
        case "endpoints": for line in endpointLines() where !client.write(line) { return }
        case "bindings": for line in try bindingLines() where !client.write(line) { return }
        case "flows":
            if words.contains("live") {
                for line in try liveFlowLines() where !client.write(line) { return }
                return
            }
            guard words.contains("follow") else {
                for line in flowLog.recentLines() where !client.write(line) { return }
                return
            }
            try flowLog.follow { recent, follower throws(DaemonError) in
                for line in recent where !client.write(line) { return }
                while isReady.load(ordering: .relaxed), client.isOpen {
                    let (lines, lost) = follower.take()
                    for line in lines where !client.write(line) { return }
                    if lost > 0, !client.write("\(ControlClient.lossPrefix)\(lost)") { return }
                    usleep(50_000)
                }
                if client.isOpen { throw DaemonError("the daemon has ended") }
            }
        case "down":
            try control.removeTable()
            isReady.store(false, ordering: .releasing)
            control.stop()
            // Whatever becomes of the rest: a daemon without a table must not go on.
            defer { end.withLock { _ = $0?.yield(0) } }
            try holder.quit()
            try ListenAddresses.removeAll(runtimeDirectory: configuration.runtimeDirectory)
        default: throw DaemonError("unknown request \(words.joined(separator: " "))")
        }
    }
}
