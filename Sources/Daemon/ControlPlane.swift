import Conntrack
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
        /// A resolver of the node that asks for everybody, while there are host endpoints.
        var stubResolver: String?

        mutating func note(_ counters: [CounterValue]) {
            kernelDrops = counters.filter { TableCounter(rawValue: $0.reason)?.isRefusal ?? false }
            kernelCounters = counters.filter { !(TableCounter(rawValue: $0.reason)?.isRefusal ?? true) }
        }

        func counter(_ counter: TableCounter) -> UInt64 { kernelCounters.first { $0.reason == counter.rawValue }?.packets ?? 0 }
    }

    let configuration: ExeatConfiguration
    private let watch: any ResourceWatch
    let published: Published<CompiledPolicy>
    private let mailbox: DNSMailbox<WorkerGate>
    private let flowLog: FlowLog
    /// How many flows verdicts have revoked since the start.
    private let revocations: @Sendable () -> UInt64
    /// Whether the DNS worker listens where classes are brought.
    private let hasClassPorts: Bool
    private var lastClasses: NodeClasses?
    /// How many times a flow of QUIC was left to the kernel since the start.
    private let allowedDatagrams: @Sendable () -> UInt64
    let logger: Logger
    let guardReport = GuardReport()
    /// Transactions that touched our table and wait to be looked at; what the guard hears in the time of one repair.
    let touches = Mutex<[RulesetChange]>([])
    let isCheckWaiting = Atomic<Bool>(false)
    let queue = DispatchQueue(label: "exeat-control")
    private var timer: (any DispatchSourceTimer)?
    private let isReloadWaiting = Atomic<Bool>(false)
    /// Walks over conntrack that nothing waits for: they take a while where many flows are.
    private let purgeQueue = DispatchQueue(label: "exeat-purge", qos: .utility)

    // On the queue only.
    private var compiler: PolicyCompiler
    private var registry: EndpointRegistry
    var table: TableSocket
    var tableConfiguration: TableConfiguration
    /// Of the table as it was installed last (`TableSocket.fingerprint`).
    var fingerprint: Int?
    var isStopped = false
    private var hostAddresses: HostAddresses
    private var owners: NodeOwners
    private let hasCgroups: Bool
    /// Whom the files of upstreams name.
    private var servers: [IPAddress]
    /// As they were last applied.
    private var loaded = ResourceSet()
    private var hasHostEndpoints = false {
        didSet {
            guard hasHostEndpoints != oldValue else { return }
            let stub = hasHostEndpoints ? StubResolver.noted(configuration) : nil
            if let stub {
                logger.warning(
                    "the processes of this node ask a stub resolver",
                    metadata: ["resolver": "\(stub)", "meaning": "\(StubResolver.consequence)", "hint": "\(StubResolver.remedy)"])
            }
            sharedStatus.withLock { $0.stubResolver = stub }
        }
    }
    var contents = TableContents()
    private var ticks: UInt64 = 0
    /// What `cap` was told last, policed or not.
    var addressesToCap: Set<IPAddress> = []
    var capLog = LimitLog()
    var questionLog = LimitLog()
    /// Packets held back when the set of their sources was looked at last.
    var questionsHeldBack: UInt64 = 0
    private var changeCount: UInt64 = 0
    /// Of endpoints that went: their conntrack entries go within half a second, unless the address comes again before.
    private var addressesToPurge: Set<IPAddress> = []
    private var isPurgeScheduled = false
    /// Of endpoints that went, purged since: no conntrack entry has one of them as its source.
    private var cleanAddresses: Set<IPAddress> = []
    private var retired = RetiredGenerations()
    /// Of endpoints whose generation changed within the last second.
    private var addressesToForgive: Set<IPAddress> = []

    // On the purge queue only.
    /// Revocations at the last walk that left no entry marked denied; nil while there may be some.
    private var revocationsForgiven: UInt64?
    /// Flows of QUIC left to the kernel at the last walk that found none; nil while there may be some.
    private var datagramsTakenBack: UInt64?

    private let sharedStatus = Mutex(Status())

    init(
        configuration: ExeatConfiguration, watch: any ResourceWatch, compiler: consuming PolicyCompiler,
        registry: consuming EndpointRegistry, table: consuming TableSocket, tableConfiguration: TableConfiguration,
        published: Published<CompiledPolicy>, mailbox: DNSMailbox<WorkerGate>, flowLog: FlowLog,
        revocations: @escaping @Sendable () -> UInt64, allowedDatagrams: @escaping @Sendable () -> UInt64, hasClassPorts: Bool,
        hostAddresses: HostAddresses, servers: [IPAddress], hasCgroups: Bool, logger: Logger
    ) {
        self.hostAddresses = hostAddresses
        self.servers = servers
        self.hasCgroups = hasCgroups
        owners = NodeOwners.current(hasCgroups: hasCgroups)
        self.hasClassPorts = hasClassPorts
        self.configuration = configuration
        self.watch = watch
        self.compiler = compiler
        self.registry = registry
        self.table = table
        self.tableConfiguration = tableConfiguration
        self.published = published
        self.mailbox = mailbox
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
            let wanted = Self.contents(of: policy, nodeAddresses: nodeAddresses)
            loaded = resources
            tableConfiguration = withUpstreams(tableConfiguration.with(nodeClasses(of: policy)))
            if purge(exhausted) { registry.notePurged() }
            try table.install(tableConfiguration, contents: wanted)
            fingerprint = try table.fingerprint()
            contents = wanted
            try EarlierFlows.ask(wanted, policy, tableConfiguration.mark, logger)
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
    func start() throws {
        try watch.start { [self] in
            // One that waits reads what this one would.
            guard !isReloadWaiting.exchange(true, ordering: .acquiringAndReleasing) else { return }
            queue.async { [self] in
                isReloadWaiting.store(false, ordering: .releasing)
                reload()
            }
        }
        let timer = DispatchSource.makeTimerSource(queue: queue)
        timer.schedule(deadline: .now() + 1, repeating: 1)
        timer.setEventHandler { [self] in tick() }
        timer.resume()
        self.timer = timer
        // What changed between the first load and the start of the watch.
        queue.async { [self] in reload() }
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
        }
    }

    /// Removes the table. Blocking.
    func removeTable() throws {
        try queue.sync { try table.remove() }
    }

    // MARK: Policy

    private func reload() {
        let load = watch.load()
        for diagnostic in load.diagnostics where diagnostic.severity == .warning {
            logger.warning("policy", metadata: ["diagnostic": "\(diagnostic)"])
        }
        guard load.isUsable else {
            let errors = load.diagnostics.filter { $0.severity == .error }
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
        sharedStatus.withLock { status in
            status.reloads += 1
            status.lastReloadSucceeded = true
            status.lastFailure = nil
            status.warnings = load.diagnostics.count
        }
    }

    /// Has policy and table let the resolver ask these servers, and no others of a file. Blocking.
    func ask(_ servers: [IPAddress]) {
        queue.sync {
            guard !isStopped, servers != self.servers else { return }
            self.servers = servers
            if let resolvers = configuration.trustedResolvers(servers) { compiler.trust(resolvers) }
            apply(loaded)
        }
    }

    /// Where no rule names upstreams a change of theirs need not touch the table.
    private func withUpstreams(_ table: TableConfiguration) -> TableConfiguration {
        guard !table.classes.isEmpty || table.countsUnaskedAnswers else { return table }
        var table = table
        table.upstreams = Array(Set(configuration.dns.allUpstreams.map(\.address) + servers)).sorted()
        return table
    }

    private func apply(_ loaded: ResourceSet) {
        self.loaded = loaded
        let previous = published.current
        hasHostEndpoints = !loaded.hostEndpoints.isEmpty
        // Where they cannot be listed they stay as they were.
        if hasHostEndpoints, let current = try? HostAddresses.current() { hostAddresses = current }
        let resources = hostAddresses.complete(loaded, resolver: configuration.dns.listen, isLocal: configuration.isLocal)
        let felix = ExeatConfiguration.felix(loaded, node: configuration.node)
        owners = NodeOwners.current(hasCgroups: hasCgroups)
        let (policy, generations) = Self.compile(
            resources, &compiler, &registry, previous: previous, layout: tableConfiguration.mark, isLocal: configuration.isLocal,
            nodeAddresses: nodeAddresses, retired: retired, isClean: cleanAddresses.contains)
        let classes = nodeClasses(of: policy)
        let tableWanted = withUpstreams(tableConfiguration.with(felix).with(classes))
        var wanted = Self.contents(of: policy, nodeAddresses: nodeAddresses)
        wanted.capped = addressesToCap.intersection(wanted.policed)
        let now = BootClock.now()
        for (address, generation) in contents.current where wanted.current[address] != generation {
            retired.retire(UInt16(generation), of: address, now: now)
        }
        for entry in contents.classes.subtracting(wanted.classes) {
            retired.retire(UInt16(entry.generation), of: entry.address, now: now)
        }
        flowLog.use(policy)
        onDNSWorker { $0.adopt(policy) }
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
        if purge(generations.exhausted) { registry.notePurged() }
        do {
            // Installed anew it has no kernel leases: some may bear a generation that is given again.
            if tableWanted != tableConfiguration || !generations.exhausted.isEmpty {
                tableConfiguration = tableWanted
                try table.install(tableConfiguration, contents: wanted)
                fingerprint = try table.fingerprint()
            } else if !changes.isEmpty {
                try table.apply(changes)
            }
            // The next owner of an address starts clean.
            let came = Set(wanted.known.subtracting(contents.known).map(\.address))
            let went = Set(contents.known.subtracting(wanted.known).map(\.address))
            var purged = came.subtracting(clean).union(came.intersection(went))
            for endpoint in policy.endpoints {
                for address in endpoint.addresses {
                    if let before = previous.endpointIndex(of: address), previous.programs[before].id != endpoint.id {
                        purged.insert(address)
                    }
                }
            }
            // Their queries under way, which others may have translated, would go on past the redirection.
            let newlyPoliced = wanted.policed.subtracting(contents.policed).subtracting(came)
            contents = wanted
            purge(purged)
            forgive(Set(changes.filter(\.changesGeneration).map(\.address)))
            // What is not known is dropped ahead of conntrack: nothing new comes in for it until it is known again.
            addressesToPurge = addressesToPurge.union(went).subtracting(came)
            purgeSoon()
            if configuration.dns.intercepts, !newlyPoliced.isEmpty { purgeResolverFlows(of: newlyPoliced) }
        } catch {
            logger.error("the table could not be changed; trying to install it anew", metadata: ["error": "\(error)"])
            repair(wanted)
        }
        registry.retain(Set(policy.endpoints.map(\.identity)))
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

    /// Where the node's own processes send from.
    private var nodeAddresses: [IPAddress] { hostAddresses.all(with: configuration.dns.listen) }

    /// Users or cgroups of classes have come or gone since the table was made: a unit that was restarted has another cgroup.
    private var hasNewOwners: Bool {
        guard let lastClasses, !lastClasses.rules.isEmpty, !lastClasses.unknown.isEmpty || lastClasses.rules.contains(where: \.isCgroup)
        else { return false }
        return NodeClasses(published.current, NodeOwners.current(hasCgroups: hasCgroups)) { _ in nil }.rules.map(\.owner)
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
            onDNSWorker { $0.settle() }
            // Verdicts that were on their way when the generation changed have arrived.
            let late = addressesToForgive
            addressesToForgive = []
            forgive(late, again: false)
        }
    }

    /// Compiles and gives generations.
    static func compile(
        _ resources: ResourceSet, _ compiler: inout PolicyCompiler, _ registry: inout EndpointRegistry, previous: CompiledPolicy?,
        layout: MarkLayout, isLocal: (String?) -> Bool, nodeAddresses: [IPAddress], retired: RetiredGenerations = RetiredGenerations(),
        isClean: (IPAddress) -> Bool = { _ in false }
    ) -> (CompiledPolicy, EndpointRegistry.Generations) {
        var remote: Set<String> = []
        for endpoint in resources.endpoints where !isLocal(endpoint.node) { remote.insert(endpoint.identity) }
        for endpoint in resources.hostEndpoints where !isLocal(endpoint.node.isEmpty ? nil : endpoint.node) {
            remote.insert(endpoint.identity)
        }
        let policy = compiler.compile(resources) { remote.contains($0) ? nil : registry.register($0) }
        var classes: [EndpointID: UInt8] = [:]
        for endpoint in policy.endpoints where endpoint.isHost {
            if endpoint.processes == nil {
                registry.clearClass(of: endpoint.id)
            } else if layout.classesMax > 0, let number = registry.classNumber(of: endpoint.id) {
                classes[endpoint.id] = number
            }
        }
        let numbered = policy.withGenerations(policy.endpoints.map(\.generation), classes: classes)
        let generations = registry.generations(
            for: numbered, previous: previous, retired: retired, now: BootClock.now(), isClean: isClean,
            space: { endpoint in
                guard endpoint.isHost else { return nil }
                let range = layout.generations(ofClass: UInt32(endpoint.classNumber))
                return EndpointRegistry.Space(
                    addresses: endpoint.classNumber == 0 ? endpoint.addresses : nodeAddresses,
                    range: UInt16(range.lowerBound)...UInt16(range.upperBound))
            },
            marks: { marksInConntrack(layout) })
        return (policy.withGenerations(generations.values, classes: classes), generations)
    }

    /// Which of our codes the flows of each address bear; nil if conntrack cannot be read.
    private static func marksInConntrack(_ layout: MarkLayout) -> [IPAddress: Set<UInt16>]? {
        var marks: [IPAddress: Set<UInt16>] = [:]
        do {
            var conntrack = try ConntrackSocket()
            try conntrack.dump { flow in
                let code = layout.extract(flow.mark)
                if (1...layout.generationMax).contains(code) { marks[flow.original.source, default: []].insert(UInt16(code)) }
            }
        } catch {
            return nil
        }
        return marks
    }

    static func contents(of policy: CompiledPolicy, nodeAddresses: [IPAddress]) -> TableContents {
        var contents = TableContents()
        for endpoint in policy.endpoints {
            if endpoint.classNumber != 0 {
                contents.policed.formUnion(nodeAddresses)
                for address in nodeAddresses {
                    contents.classes.insert(ClassGeneration(address: address, generation: UInt32(endpoint.generation)))
                }
            }
            for address in endpoint.addresses {
                // A host endpoint is the node itself: it sends from no workload interface.
                if !endpoint.isHost { contents.known.insert(KnownEndpoint(interface: endpoint.interfaceName, address: address)) }
                if endpoint.isPoliced {
                    contents.policed.insert(address)
                    contents.current[address] = UInt32(endpoint.generation)
                }
            }
        }
        return contents
    }

    static func changes(from old: TableContents, to new: TableContents) -> [TableChange] {
        var changes: [TableChange] = []
        for endpoint in old.known.subtracting(new.known).sorted() { changes.append(.removeKnown(endpoint)) }
        for (address, generation) in new.current.sorted(by: { $0.key < $1.key }) where old.current[address] != generation {
            changes.append(.setCurrent(address, generation: generation))
        }
        for address in new.policed.subtracting(old.policed).sorted() { changes.append(.addPoliced(address)) }
        for address in old.policed.subtracting(new.policed).sorted() { changes.append(.removePoliced(address)) }
        for address in old.current.keys.filter({ new.current[$0] == nil }).sorted() { changes.append(.removeCurrent(address)) }
        for endpoint in new.known.subtracting(old.known).sorted() { changes.append(.addKnown(endpoint)) }
        for address in old.capped.subtracting(new.capped).sorted() { changes.append(.removeCapped(address)) }
        for address in new.capped.subtracting(old.capped).sorted() { changes.append(.addCapped(address)) }
        changes += old.classes.subtracting(new.classes).map(TableChange.removeClass)
        changes += new.classes.subtracting(old.classes).map(TableChange.addClass)
        return changes
    }

    /// Runs `work` on the DNS worker's thread and waits for it.
    private func onDNSWorker(_ work: @escaping @Sendable (inout WorkerGate) -> Void) {
        let done = DispatchSemaphore(value: 0)
        mailbox.post { gate in
            work(&gate)
            done.signal()
        }
        if done.wait(timeout: .now() + 10) == .timedOut { logger.error("the DNS worker does not answer") }
    }

    // MARK: Every second

    private static let cleanAddressesMax = 65_536

    private func tick() {
        ticks += 1
        do {
            let counters = try table.counters()
            let leases = tableConfiguration.hasLeases ? try table.leaseCount() : 0
            try reportLimited(counters)
            sharedStatus.withLock { status in
                status.note(counters)
                status.kernelLeases = leases
            }
        } catch {
            logger.error("the table cannot be read; installing it anew", metadata: ["error": "\(error)"])
            repair(contents)
        }
        purgeLater()
        guard hasHostEndpoints else { return }
        let hasNewAddresses = ticks % 5 == 0 && (try? HostAddresses.current()).map { $0 != hostAddresses } == true
        if hasNewAddresses || hasNewOwners { reload() }
    }

    func countRepair() { sharedStatus.withLock { $0.tableRepairs += 1 } }

    func repair(_ wanted: TableContents) {
        do {
            try table.install(tableConfiguration, contents: wanted)
            fingerprint = try table.fingerprint()
            contents = wanted
            countRepair()
            // Queries that began while nothing brought them here would go on past us.
            if configuration.dns.intercepts { purgeResolverFlows(of: wanted.policed) }
        } catch {
            logger.critical("the table cannot be installed", metadata: ["error": "\(error)"])
            replaceSocket(wanted)
        }
    }

    // MARK: Conntrack

    /// A moment after an endpoint went, so that it may come again without a walk over conntrack; what goes within that moment goes along.
    private func purgeSoon() {
        guard !addressesToPurge.isEmpty, !isPurgeScheduled else { return }
        isPurgeScheduled = true
        queue.asyncAfter(deadline: .now() + 0.3) { [self] in
            isPurgeScheduled = false
            purgeLater()
        }
    }

    /// Purges the addresses of endpoints that went; those that came again meanwhile were purged when they did.
    private func purgeLater() {
        guard !addressesToPurge.isEmpty else { return }
        let addresses = addressesToPurge
        addressesToPurge = []
        purgeQueue.async { [self] in
            let succeeded = purge(addresses)
            queue.async { [self] in
                let known = Set(contents.known.map(\.address))
                // Not those that came and went again since: they had flows of their own.
                let gone = addresses.subtracting(known).subtracting(addressesToPurge)
                guard succeeded else {
                    addressesToPurge.formUnion(gone)
                    return
                }
                if cleanAddresses.count > Self.cleanAddressesMax { cleanAddresses = [] }
                cleanAddresses.formUnion(gone)
            }
        }
    }

    /// Endpoints with another policy: what was refused for good is decided anew, and so are flows of QUIC whose good name the kernel
    /// remembers without a generation. Refused TCP flows are over; others may be as alive as before.
    private func forgive(_ addresses: Set<IPAddress>, again: Bool = true) {
        guard !addresses.isEmpty else { return }
        if again { addressesToForgive.formUnion(addresses) }
        let layout = tableConfiguration.mark
        purgeQueue.async { [self] in takeBackDenials(of: addresses, layout) }
    }

    /// On the purge queue. One walk over conntrack, and none while no flow is known to be denied.
    private func takeBackDenials(of addresses: Set<IPAddress>, _ layout: MarkLayout) {
        let count = revocations()
        let datagrams = allowedDatagrams()
        guard revocationsForgiven != count || datagramsTakenBack != datagrams else { return }
        var wanted: [ConntrackEntry] = []
        var checked: [ConntrackEntry] = []
        var others = 0
        var checkedOthers = 0
        do {
            var conntrack = try ConntrackSocket()
            try conntrack.dump { entry in
                let isOurs = addresses.contains(entry.original.source)
                switch layout.extract(entry.mark) {
                case layout.denied: if entry.transport != .tcp, isOurs { wanted.append(entry) } else { others += 1 }
                case layout.checkedQUIC: if isOurs { checked.append(entry) } else { checkedOthers += 1 }
                default: break
                }
            }
            // No packet bears this code in its ct mark: it is in no `current`, so that the table asks with it.
            let asked = layout.deposit(layout.redecideOriginal)
            for entry in checked {
                _ = try conntrack.setMark(asked, mask: layout.mask, of: entry.original, entry.transport, zone: entry.zone)
            }
            datagramsTakenBack = checked.isEmpty && checkedOthers == 0 ? datagrams : nil
            // Known to have been admitted once, so that a flow that stays refused is marked again and asks no more.
            for entry in wanted {
                _ = try conntrack.setMark(asked, mask: layout.mask, of: entry.original, entry.transport, zone: entry.zone)
            }
            revocationsForgiven = others == 0 ? count : nil
        } catch {
            logger.warning("flows could not be taken back", metadata: ["flows": "\(wanted.count + checked.count)", "error": "\(error)"])
        }
    }

    @discardableResult
    private func purge(_ addresses: Set<IPAddress>) -> Bool {
        guard !addresses.isEmpty else { return true }
        do {
            var conntrack = try ConntrackSocket()
            _ = try conntrack.purge(originalSources: addresses)
            return true
        } catch {
            logger.warning(
                "conntrack entries could not be purged",
                metadata: ["addresses": "\(addresses.map(\.description).sorted().prefix(16))", "error": "\(error)"])
            return false
        }
    }

    /// Queries that were under way before the redirection would go on past it.
    private func purgeResolverFlows(of addresses: Set<IPAddress>) {
        do {
            var conntrack = try ConntrackSocket()
            _ = try conntrack.purgePort53(originalSources: addresses)
        } catch {
            logger.warning("conntrack entries of port 53 could not be purged", metadata: ["error": "\(error)"])
        }
    }
}
