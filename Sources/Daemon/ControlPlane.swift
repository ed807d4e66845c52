import DNSInterceptor
import Datastores
import Dispatch
import Enforcement
import Logging
import NetfilterTables
import NetworkTypes
import PolicyEngine
import PolicyModel
import Synchronization

/// Owns policy and the table: loads resources, compiles, publishes, and brings the kernel's sets to what policy says.
///
/// Everything runs on one serial queue, so that the table's socket and the registry have one owner. The order of a change:
///
/// 1. compile, with a new generation for each endpoint whose effective policy changed;
/// 2. the DNS worker publishes all bindings under the numbers of the new policy;
/// 3. the verdict threads get the new policy;
/// 4. one transaction brings `known`, `policed` and `current` up to date: flows of changed endpoints come back to the queue;
/// 5. conntrack entries of addresses that came or went are purged;
/// 6. a second later bindings are withdrawn from numbers that no rule uses any more.
///
/// Between 3 and 4 verdicts bear a generation that the kernel does not know yet; the table sends such packets back to the
/// queue, so that nothing passes on a mixture of the two.
final class ControlPlane: @unchecked Sendable {
    struct Status: Sendable {
        var policyVersion: UInt32 = 0
        var policies = 0
        var endpoints = 0
        /// Endpoints for which there was no number.
        var unnumberedEndpoints = 0
        var lastReloadSucceeded = true
        var reloads: UInt64 = 0
        var failedReloads: UInt64 = 0
        var warnings = 0
        var lastFailure: String?
        var generationChanges: UInt64 = 0
        var tableRepairs: UInt64 = 0
        var kernelDrops: [CounterValue] = []
        /// Named counters that are no refusals.
        var kernelCounters: [CounterValue] = []
        var kernelLeases = 0
        /// The kernel has refused the table as it is to be.
        var isTableBehind = false
        /// A resolver of the node that asks for everybody, while there are host endpoints.
        var stubResolver: String?
        /// Other servers that its processes ask, while there are host endpoints.
        var otherResolver: String?

        mutating func note(_ counters: [CounterValue]) {
            kernelDrops = counters.filter { TableCounter(rawValue: $0.reason)?.isRefusal ?? false }
            kernelCounters = counters.filter { !(TableCounter(rawValue: $0.reason)?.isRefusal ?? true) }
        }

        func counter(_ counter: TableCounter) -> UInt64 { kernelCounters.first { $0.reason == counter.rawValue }?.packets ?? 0 }
    }

    let configuration: ExeatConfiguration
    private let watch: any ResourceWatch
    let published: Published<CompiledPolicy>
    /// Of the DNS workers; the first has the table of names.
    private let mailboxes: [DNSMailbox<WorkerGate>]
    private let flowLog: FlowLog
    /// How many flows verdicts have revoked since the start.
    let revocations: @Sendable () -> UInt64
    /// Whether the DNS worker listens where classes are brought.
    private let hasClassPorts: Bool
    private var lastClasses: NodeClasses?
    /// How many times a flow of QUIC was left to the kernel since the start.
    let allowedDatagrams: @Sendable () -> UInt64
    let logger: Logger
    let guardReport = GuardReport()
    /// Transactions that touched our table and wait to be looked at; what the guard hears in the time of one repair.
    let touches = Mutex<[RulesetChange]>([])
    let isCheckWaiting = Atomic<Bool>(false)
    let queue = DispatchQueue(label: "exeat-control")
    private var timer: (any DispatchSourceTimer)?
    private var announcements: AddressAnnouncements?
    private var onServices: (@Sendable ([ServiceEndpoints]) -> Void)?
    private let isReloadWaiting = Atomic<Bool>(false)
    /// Walks over conntrack that nothing waits for: they take a while where many flows are.
    let purgeQueue = DispatchQueue(label: "exeat-purge", qos: .utility)

    /// From one reading of what others change all the time to the next: at most 50 transactions a second, which other users of nf_tables pay for too.
    private static let reloadPauseNanoseconds: UInt64 = 20_000_000

    // On the queue only.
    private var lastReload = Instant(nanoseconds: 0)
    private var compiler: PolicyCompiler
    var registry: EndpointRegistry
    var table: TableSocket
    var tableConfiguration: TableConfiguration
    /// Of the table as it was installed last (`TableSocket.fingerprint`).
    var fingerprint: Int?
    var isStopped = false
    private var hostAddresses: HostAddresses
    private var owners: NodeOwners
    private let hasCgroups: Bool
    /// Whom the files and services of upstreams name.
    private var servers: [TrustedResolver]
    /// As they were last applied.
    private var loaded = ResourceSet()
    /// There is nobody whose answers could be read, as last told.
    private var hasNobodyToTrust = false
    /// Whom the last warning of forwarders named.
    private var forwarders: Set<IPAddress> = []
    private var hasHostEndpoints = false {
        didSet {
            guard hasHostEndpoints != oldValue else { return }
            let stub = hasHostEndpoints ? StubResolver.noted(configuration) : nil
            if let stub {
                logger.warning(
                    "the processes of this node ask a stub resolver",
                    metadata: ["resolver": "\(stub)", "meaning": "\(StubResolver.consequence)", "hint": "\(StubResolver.remedy)"])
            }
            let others =
                hasHostEndpoints
                ? StubResolver.elsewhere(
                    resolvConf: configuration.dns.resolvConf, except: trusted(loaded).union(configuration.dns.listen)) : []
            let other = others.isEmpty ? nil : others.map(\.description).joined(separator: ", ")
            if let other {
                logger.warning(
                    "the processes of this node ask servers whose answers are not seen: host endpoints learn nothing from them",
                    metadata: [
                        "resolver": "\(other)", "file": "\(configuration.dns.resolvConf)",
                        "hint": "name Exeat's own address (dns.listen) there, or set dns.snoop: node for servers that are trusted",
                    ])
            }
            sharedStatus.withLock { status in
                status.stubResolver = stub
                status.otherResolver = other
            }
        }
    }
    /// What the table's sets are to hold, and do unless `isTableBehind`.
    var contents = TableContents()
    /// Whether the kernel has refused the table as it is to be: tried again every second.
    var isTableBehind = false
    private var ticks: UInt64 = 0
    /// What `cap` was told last, policed or not.
    var addressesToCap: Set<IPAddress> = []
    var capLog = LimitLog()
    var questionLog = LimitLog()
    /// Packets held back when the set of their sources was looked at last.
    var questionsHeldBack: UInt64 = 0
    private var changeCount: UInt64 = 0
    /// Their flows were to be purged at once, and could not be: tried again every second.
    var addressesNotPurged: Set<IPAddress> = []
    /// Of endpoints that went: their conntrack entries go within half a second, unless the address comes again before.
    var addressesToPurge: Set<IPAddress> = []
    var isPurgeScheduled = false
    /// Of endpoints that went, purged since: no conntrack entry has one of them as its source.
    var cleanAddresses: Set<IPAddress> = []
    private var retired = RetiredGenerations()
    /// As last told.
    private var unnumbered: Set<String> = []
    /// Of endpoints whose generation changed within the last second.
    var addressesToForgive: Set<IPAddress> = []

    // On the purge queue only.
    /// Revocations at the last walk that left no entry marked denied; nil while there may be some.
    var revocationsForgiven: UInt64?
    /// Flows of QUIC left to the kernel at the last walk that found none; nil while there may be some.
    var datagramsTakenBack: UInt64?

    private let sharedStatus = Mutex(Status())

    init(
        configuration: ExeatConfiguration, watch: any ResourceWatch, compiler: consuming PolicyCompiler,
        registry: consuming EndpointRegistry, table: consuming TableSocket, tableConfiguration: TableConfiguration,
        published: Published<CompiledPolicy>, mailboxes: [DNSMailbox<WorkerGate>], flowLog: FlowLog,
        revocations: @escaping @Sendable () -> UInt64, allowedDatagrams: @escaping @Sendable () -> UInt64, hasClassPorts: Bool,
        hostAddresses: HostAddresses, servers: [TrustedResolver], hasCgroups: Bool, logger: Logger
    ) {
        self.hostAddresses = hostAddresses
        self.servers = servers
        self.hasCgroups = hasCgroups
        owners = NodeOwners.current(hasCgroups: hasCgroups) ?? .unknown
        self.hasClassPorts = hasClassPorts
        self.configuration = configuration
        self.watch = watch
        self.compiler = compiler
        self.registry = registry
        self.table = table
        self.tableConfiguration = tableConfiguration
        self.published = published
        self.mailboxes = mailboxes
        self.flowLog = flowLog
        self.revocations = revocations
        self.allowedDatagrams = allowedDatagrams
        self.logger = logger
    }

    var status: Status { sharedStatus.withLock { $0 } }

    /// Installs the table for the policy that is published already. Blocking.
    ///
    /// - Parameter exhausted: See `EndpointRegistry.Generations`.
    func install(policy: CompiledPolicy, resources: ResourceSet, exhausted: Set<IPAddress>) throws {
        try queue.sync {
            let wanted = Self.contents(
                of: policy, nodeAddresses: nodeAddresses, upstreams: upstreams, trusted: trusted(resources))
            warnOfForwarders(wanted)
            loaded = resources
            tableConfiguration = tableConfiguration.with(nodeClasses(of: policy))
            purgeSurely(exhausted)
            try installTable(wanted)
            let mark = tableConfiguration.mark
            try EarlierFlows.ask(wanted, policy, mark, before: MarkLayout(mask: registry.markMask), logger)
            registry.markMask = mark.mask
            // Which of them have another policy than under the process before, nobody knows.
            forgive(wanted.policed, again: false)
            if configuration.dns.intercepts { purgeResolverFlows(of: wanted.policed) }
            let counters = try table.counters()
            sharedStatus.withLock { status in
                status.policyVersion = policy.version
                status.policies = resources.policies.count
                status.endpoints = policy.endpoints.count
                status.note(counters)
            }
        }
    }

    /// Begins to follow changes of the datastore and to tick.
    ///
    /// - Parameter onServices: gets what is behind services whenever policy has been read.
    func start(onServices: @escaping @Sendable ([ServiceEndpoints]) -> Void) throws {
        self.onServices = onServices
        try watch.start { [self] in
            // One that waits reads what this one would.
            guard !isReloadWaiting.exchange(true, ordering: .acquiringAndReleasing) else { return }
            queue.async { [self] in
                let since = BootClock.now().nanoseconds(since: lastReload)
                guard since < Self.reloadPauseNanoseconds else { return reloadOnce() }
                queue.asyncAfter(deadline: .now() + .nanoseconds(Int(Self.reloadPauseNanoseconds - since))) { [self] in reloadOnce() }
            }
        }
        let timer = DispatchSource.makeTimerSource(queue: queue)
        timer.schedule(deadline: .now() + 1, repeating: 1)
        timer.setEventHandler { [self] in tick() }
        timer.resume()
        self.timer = timer
        announcements = try AddressAnnouncements(on: queue) { [self] in
            if !isStopped, hasHostEndpoints, hasNewAddresses { apply(loaded) }
        }
        // What changed between the first load and the start of the watch.
        queue.async { [self] in reload() }
    }

    private func reloadOnce() {
        isReloadWaiting.store(false, ordering: .releasing)
        reload()
        lastReload = BootClock.now()
    }

    func requestReload() {
        queue.async { [self] in reload() }
    }

    func stop() {
        watch.stop()
        queue.sync {
            isStopped = true
            timer?.cancel()
            timer = nil
            announcements?.cancel()
            announcements = nil
        }
    }

    /// Removes the table, and nothing puts it back; where it cannot be removed all goes on. Blocking.
    func removeTable() throws {
        try queue.sync {
            try table.remove()
            isStopped = true
        }
    }

    // MARK: Policy

    private func reload() {
        guard !isStopped else { return }
        let load = watch.load()
        for diagnostic in load.diagnostics where diagnostic.severity == .warning {
            logger.warning("policy", metadata: ["diagnostic": "\(diagnostic)"])
        }
        var errors = load.diagnostics.filter { $0.severity == .error }
        if load.isUsable, let current = try? HostAddresses.current(),
            let refusal = current.refusal(of: load.resources.endpoints, isLocal: configuration.isLocal)
        {
            errors.append(refusal)
        }
        guard load.isUsable, errors.isEmpty else {
            for diagnostic in errors { logger.error("policy refused", metadata: ["diagnostic": "\(diagnostic)"]) }
            logger.error("the last good policy stays in force", metadata: ["errors": "\(errors.count)"])
            sharedStatus.withLock { status in
                status.reloads += 1
                status.failedReloads += 1
                status.lastReloadSucceeded = false
                status.lastFailure = errors.first?.description
            }
            return
        }
        apply(load.resources)
        onServices?(load.resources.serviceEndpoints)
        sharedStatus.withLock { status in
            status.reloads += 1
            status.lastReloadSucceeded = true
            status.lastFailure = nil
            status.warnings = load.diagnostics.count
        }
    }

    /// Has policy and table let the resolver ask these servers, and no others of a file. Blocking.
    func ask(_ servers: [TrustedResolver]) {
        queue.sync {
            guard !isStopped, servers != self.servers else { return }
            self.servers = servers
            if let resolvers = configuration.trustedResolvers(servers) { compiler.trust(resolvers) }
            apply(loaded)
        }
    }

    private func apply(_ loaded: ResourceSet) {
        self.loaded = loaded
        let previous = published.current
        hasHostEndpoints = !loaded.hostEndpoints.isEmpty
        // Where they cannot be listed they stay as they were.
        if hasHostEndpoints, let current = try? HostAddresses.current() { hostAddresses = current }
        let resources = hostAddresses.complete(loaded, resolver: configuration.dns.listen, isLocal: configuration.isLocal)
        let felix = loaded.felix(ofNode: configuration.node)
        if let current = NodeOwners.current(hasCgroups: hasCgroups) { owners = current }
        let (policy, generations, unnumbered) = Self.compile(
            resources, &compiler, &registry, previous: previous, layout: tableConfiguration.mark, isLocal: configuration.isLocal,
            nodeAddresses: nodeAddresses, retired: retired, isClean: cleanAddresses.contains)
        let classes = nodeClasses(of: policy)
        let tableWanted = tableConfiguration.with(felix).with(classes)
        var wanted = Self.contents(
            of: policy, nodeAddresses: nodeAddresses, upstreams: upstreams, trusted: trusted(loaded))
        wanted.capped = addressesToCap.intersection(wanted.policed)
        warnOfForwarders(wanted)
        let now = BootClock.now()
        for (address, generation) in contents.current where wanted.current[address] != generation {
            retired.retire(UInt16(generation), of: address, now: now)
        }
        for entry in contents.classes.subtracting(wanted.classes) {
            retired.retire(UInt16(entry.generation), of: entry.address, now: now)
        }
        flowLog.use(policy)
        onDNSWorkers(mailboxes.prefix(1)) { $0.adopt(policy) }
        onDNSWorkers(mailboxes.dropFirst()) { $0.follow(policy) }
        published.publish(policy)
        let changes = Self.changes(from: contents, to: wanted)
        // What is known may have flows from now on, whether or not the rest succeeds.
        let clean = cleanAddresses
        NodeConnections.announce(
            Self.nodeAddresses(policed: wanted, policy).subtracting(contents.policed),
            failsafe: felix.failsafeInboundHostPorts ?? FelixConfiguration.defaultFailsafeInbound, classes: classes.rules,
            tableConfiguration.mark, logger)
        cleanAddresses.subtract(wanted.known.map(\.address))
        // No flow may bear what is given again when it becomes current; what is stamped from now on is decided under the new policy.
        purgeSurely(generations.exhausted)
        let before = contents
        do {
            // Installed anew it has no kernel leases: some may bear a generation that is given again.
            if isTableBehind || tableWanted != tableConfiguration || !generations.exhausted.isEmpty {
                tableConfiguration = tableWanted
                try installTable(wanted)
            } else if !changes.isEmpty {
                try table.apply(changes)
                contents = wanted
            }
        } catch {
            logger.error("the table could not be changed; trying to install it anew", metadata: ["error": "\(error)"])
            repair(wanted)
        }
        // The next owner of an address starts clean.
        let came = Set(wanted.known.subtracting(before.known).map(\.address))
        let went = Set(before.known.subtracting(wanted.known).map(\.address))
        var purged = came.subtracting(clean).union(came.intersection(went))
        for endpoint in policy.endpoints {
            for address in endpoint.addresses {
                if let before = previous.endpointIndex(of: address), previous.programs[before].id != endpoint.id {
                    purged.insert(address)
                }
            }
        }
        purgeSurely(purged)
        forgive(Set(changes.filter(\.changesGeneration).map(\.address)))
        // What is not known is dropped ahead of conntrack: nothing new comes in for it until it is known again.
        addressesToPurge = addressesToPurge.union(went).subtracting(came)
        purgeSoon()
        // Their queries under way, which others may have translated, would go on past the redirection.
        let newlyPoliced = wanted.policed.subtracting(before.policed).subtracting(came)
        if configuration.dns.intercepts, !newlyPoliced.isEmpty { purgeResolverFlows(of: newlyPoliced) }
        let numbers = registry.count
        registry.retain(Set(policy.endpoints.map(\.identity)))
        note(unnumbered: unnumbered, hasRoom: registry.count < numbers)
        settleLater()
        sharedStatus.withLock { status in
            status.policyVersion = policy.version
            status.policies = resources.policies.count
            status.endpoints = policy.endpoints.count
            status.generationChanges += UInt64(generations.changed)
        }
        if generations.changed > 0 || !changes.isEmpty {
            logger.info(
                "policy in force",
                metadata: [
                    "version": "\(policy.version)", "policies": "\(resources.policies.count)", "endpoints": "\(policy.endpoints.count)",
                    "changed_endpoints": "\(generations.changed)",
                ])
        }
    }

    /// All traffic of endpoints without a number is refused. `hasRoom`: others have just left theirs.
    private func note(unnumbered: Set<String>, hasRoom: Bool) {
        if !unnumbered.isEmpty, hasRoom {
            queue.async { [self] in
                if !isStopped { apply(loaded) }
            }
            return
        }
        if !unnumbered.subtracting(self.unnumbered).isEmpty {
            logger.error(
                "endpoints without a number: all of their traffic is refused",
                metadata: [
                    "count": "\(unnumbered.count)", "endpoints": "\(unnumbered.sorted().prefix(8))",
                    "hint": "raise endpointsMax, which is \(configuration.endpointsMax), and start again",
                ])
        }
        self.unnumbered = unnumbered
        sharedStatus.withLock { $0.unnumberedEndpoints = unnumbered.count }
    }

    /// Where the node's own processes send from.
    private var nodeAddresses: [IPAddress] { hostAddresses.all(with: configuration.dns.listen) }

    /// Whom the resolver may ask.
    private var upstreams: Set<IPAddress> { Set(configuration.dns.allUpstreams.map(\.address) + servers.map(\.address)) }

    /// Whose answers to others are read: those of `dns.upstreams` and `dnsTrustedServers` that are asked at port 53.
    private func trusted(_ resources: ResourceSet) -> Set<IPAddress> {
        guard configuration.dns.snooping != .none else { return [] }
        let texts = resources.withTrustedServersOfServices().felix(ofNode: configuration.node).dnsTrustedServers ?? []
        let all = (configuration.trustedResolvers(servers) ?? []) + texts.compactMap(TrustedResolver.init(trustedServer:))
        let found = Set(all.filter { $0.port == 53 && !$0.isSecure }.map(\.address)).subtracting(configuration.dns.listen)
        if found.isEmpty != hasNobodyToTrust {
            hasNobodyToTrust = found.isEmpty
            if found.isEmpty {
                logger.warning(
                    "dns.snoop reads nobody's answers: no resolver is trusted",
                    metadata: ["hint": "name them in dns.upstreams, or in dnsTrustedServers of a FelixConfiguration"])
            }
        }
        return found
    }

    /// A trusted resolver that is a policed workload is a client itself, whose names are those of all who ask it.
    private func warnOfForwarders(_ wanted: TableContents) {
        let found = wanted.trusted.intersection(wanted.policed).subtracting(nodeAddresses)
        if !found.isSubset(of: forwarders) {
            logger.warning(
                "policy selects trusted resolvers: what they ask for others counts as theirs, up to bindings.namesPerClient",
                metadata: [
                    "addresses": "\(found.sorted().map(\.description).joined(separator: ", "))",
                    "hint": "leave them out of egress policies, or raise bindings.namesPerClient and bindings.bindingsPerClient",
                ])
        }
        forwarders = found
    }

    /// Users or cgroups of classes have come or gone since the table was made: a unit that was restarted has another cgroup.
    private var hasNewOwners: Bool {
        guard let lastClasses, !lastClasses.rules.isEmpty, !lastClasses.unknown.isEmpty || lastClasses.rules.contains(where: \.isCgroup),
            let current = NodeOwners.current(hasCgroups: hasCgroups)
        else { return false }
        return NodeClasses(published.current, current) { _ in nil }.rules.map(\.owner)
            != lastClasses.rules.map(\.owner)
    }

    private func nodeClasses(of policy: CompiledPolicy) -> NodeClasses {
        let classes = NodeClasses(policy, owners) { [configuration, hasClassPorts] number in
            hasClassPorts ? configuration.classPort(number) : nil
        }
        guard classes != lastClasses else { return classes }
        lastClasses = classes
        for name in classes.unknown { logger.warning("no such user or cgroup on this node", metadata: ["name": "\(name)"]) }
        for (first, second) in classes.overlaps {
            logger.error("two classes have a user in common; the first counts", metadata: ["classes": "\(first), \(second)"])
        }
        if !classes.rules.isEmpty, !hasClassPorts, !configuration.dns.listen.isEmpty {
            logger.warning(
                "DNS of processes is not told apart before a restart: their rules with names match nothing",
                metadata: ["hint": "set dns.classPort to have its ports open from the start"])
        }
        return classes
    }

    /// The node's own addresses among what is policed.
    static func nodeAddresses(policed contents: TableContents, _ policy: CompiledPolicy) -> Set<IPAddress> {
        Set(policy.endpoints.filter { $0.isHost && $0.isPoliced }.flatMap(\.addresses)).union(contents.classes.map(\.address))
    }

    /// A second after the last of several changes.
    private func settleLater() {
        changeCount += 1
        let count = changeCount
        queue.asyncAfter(deadline: .now() + 1) { [self] in
            guard changeCount == count else { return }
            onDNSWorkers(mailboxes.prefix(1)) { $0.settle() }
            // Verdicts that were on their way when the generation changed have arrived.
            let late = addressesToForgive
            addressesToForgive = []
            forgive(late, again: false)
        }
    }

    /// Runs `work` on the threads of these DNS workers and waits for it.
    private func onDNSWorkers(_ mailboxes: ArraySlice<DNSMailbox<WorkerGate>>, _ work: @escaping @Sendable (inout WorkerGate) -> Void) {
        let done = DispatchSemaphore(value: 0)
        for mailbox in mailboxes {
            mailbox.post { gate in
                work(&gate)
                done.signal()
            }
        }
        let end = DispatchTime.now() + 10
        for _ in mailboxes where done.wait(timeout: end) == .timedOut { logger.error("a DNS worker does not answer") }
    }

    // MARK: Every second

    private func tick() {
        guard !isStopped else { return }
        ticks += 1
        do {
            let counters = try table.counters()
            let leases = tableConfiguration.hasLeases ? try table.leaseCount() : 0
            try reportLimited(counters)
            sharedStatus.withLock { status in
                status.note(counters)
                status.kernelLeases = leases
            }
            if isTableBehind { repair(contents) }
        } catch {
            logger.error("the table cannot be read; installing it anew", metadata: ["error": "\(error)"])
            repair(contents)
        }
        if !addressesNotPurged.isEmpty { purgeSurely([]) }
        purgeLater()
        guard hasHostEndpoints else { return }
        // Whatever becomes of what is written now: the policy in force is meant for these, too. New addresses are announced; one that could not be
        // looked at then is found here.
        if (ticks % 5 == 0 && hasNewAddresses) || hasNewOwners { apply(loaded) }
    }

    private var hasNewAddresses: Bool { (try? HostAddresses.current()).map { $0 != hostAddresses } == true }

    func countRepair() { sharedStatus.withLock { $0.tableRepairs += 1 } }

    /// From now on the table is to be this one, whether or not the kernel takes it at once.
    func installTable(_ wanted: TableContents) throws(TableError) {
        contents = wanted
        isTableBehind = true
        defer {
            let isBehind = isTableBehind
            sharedStatus.withLock { $0.isTableBehind = isBehind }
        }
        try table.install(tableConfiguration, contents: wanted)
        fingerprint = try table.fingerprint()
        isTableBehind = false
    }

    func repair(_ wanted: TableContents) {
        do {
            try installTable(wanted)
            countRepair()
            // Queries that began while nothing brought them here would go on past us.
            if configuration.dns.intercepts { purgeResolverFlows(of: wanted.policed) }
        } catch {
            logger.critical("the table cannot be installed", metadata: ["error": "\(error)"])
            replaceSocket(wanted)
        }
    }
}
