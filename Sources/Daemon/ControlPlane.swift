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
    }

    private let configuration: ExeatConfiguration
    private let watch: any ResourceWatch
    private let published: Published<CompiledPolicy>
    private let mailbox: DNSMailbox<WorkerGate>
    private let flowLog: FlowLog
    private let logger: Logger
    private let queue = DispatchQueue(label: "exeat-control")
    private var timer: (any DispatchSourceTimer)?

    // On the queue only.
    private var compiler: PolicyCompiler
    private var registry: EndpointRegistry
    private var table: TableSocket
    private let tableConfiguration: TableConfiguration
    private var contents = TableContents()
    private var ticks: UInt64 = 0

    private let sharedStatus = Mutex(Status())

    init(
        configuration: ExeatConfiguration, watch: any ResourceWatch, compiler: consuming PolicyCompiler,
        registry: consuming EndpointRegistry, table: consuming TableSocket, tableConfiguration: TableConfiguration,
        published: Published<CompiledPolicy>, mailbox: DNSMailbox<WorkerGate>, flowLog: FlowLog, logger: Logger
    ) {
        self.configuration = configuration
        self.watch = watch
        self.compiler = compiler
        self.registry = registry
        self.table = table
        self.tableConfiguration = tableConfiguration
        self.published = published
        self.mailbox = mailbox
        self.flowLog = flowLog
        self.logger = logger
    }

    var status: Status { sharedStatus.withLock { $0 } }

    /// Installs the table for the policy that is published already. Blocking.
    func install(policy: CompiledPolicy, resources: ResourceSet) throws {
        try queue.sync {
            let wanted = Self.contents(of: policy)
            try table.install(tableConfiguration, contents: wanted)
            contents = wanted
            if configuration.dns.intercepts { purgeResolverFlows(of: wanted.policed) }
            let counters = try table.counters()
            sharedStatus.withLock { status in
                status.policyVersion = policy.version
                status.policies = resources.policies.count
                status.endpoints = policy.endpoints.count
                status.kernelDrops = counters
            }
        }
    }

    /// Begins to follow changes of the datastore and to tick.
    func start() throws {
        try watch.start { [self] in
            queue.async { [self] in reload() }
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

    private func apply(_ resources: ResourceSet) {
        let previous = published.current
        let (policy, changed) = Self.compile(resources, &compiler, &registry, previous: previous, layout: tableConfiguration.mark)
        let wanted = Self.contents(of: policy)
        flowLog.use(policy)
        onDNSWorker { $0.adopt(policy) }
        published.publish(policy)
        let changes = Self.changes(from: contents, to: wanted)
        do {
            if !changes.isEmpty { try table.apply(changes) }
            for endpoint in policy.endpoints {
                for address in endpoint.addresses {
                    guard let before = previous.endpointIndex(of: address), previous.programs[before].id != endpoint.id else { continue }
                    purge(address)
                }
            }
            let came = wanted.known.subtracting(contents.known)
            let went = contents.known.subtracting(wanted.known)
            contents = wanted
            for endpoint in came.union(went) { purge(endpoint.address) }
        } catch {
            logger.error("the table could not be changed; trying to install it anew", metadata: ["error": "\(error)"])
            repair(wanted)
        }
        registry.retain(Set(policy.endpoints.map(\.identity)))
        queue.asyncAfter(deadline: .now() + 1) { [self] in onDNSWorker { $0.settle() } }
        sharedStatus.withLock { status in
            status.policyVersion = policy.version
            status.policies = resources.policies.count
            status.endpoints = policy.endpoints.count
            status.generationChanges += UInt64(changed)
        }
        if changed > 0 || !changes.isEmpty {
            logger.info(
                "policy in force",
                metadata: [
                    "version": "\(policy.version)", "policies": "\(resources.policies.count)", "endpoints": "\(policy.endpoints.count)",
                    "changed_endpoints": "\(changed)",
                ])
        }
    }

    /// Compiles and gives generations; also how many endpoints have a new one.
    static func compile(
        _ resources: ResourceSet, _ compiler: inout PolicyCompiler, _ registry: inout EndpointRegistry, previous: CompiledPolicy?,
        layout: MarkLayout
    ) -> (CompiledPolicy, changed: Int) {
        var numbers: [String: EndpointID] = [:]
        for endpoint in resources.endpoints { numbers[endpoint.identity] = registry.register(endpoint.identity) }
        let policy = compiler.compile(resources) { numbers[$0.identity] }
        var borne: [IPAddress: Set<UInt32>]?
        var changed = 0
        let generations = policy.endpoints.map { endpoint in
            let generation = registry.generation(of: endpoint.id, fingerprint: Self.fingerprint(endpoint)) { candidate in
                let marks = borne ?? Self.marksInConntrack(layout)
                borne = marks
                return endpoint.addresses.contains { marks[$0]?.contains(UInt32(candidate)) ?? false }
            }
            if previous?.endpoint(endpoint.id)?.generation != generation { changed += 1 }
            return generation
        }
        return (policy.withGenerations(generations), changed)
    }

    /// Of policy and addresses: an endpoint that gets another address gets a new generation, because flows that began there under
    /// another owner may bear its old one.
    private static func fingerprint(_ endpoint: CompiledEndpoint) -> UInt64 {
        endpoint.addresses.reduce(endpoint.fingerprint) { value, address in
            var value = (value ^ UInt64(address.family.rawValue)) &* 0x0000_0100_0000_01b3
            for word in [address.upper, address.lower] {
                value = (value ^ word) &* 0x9e37_79b9_7f4a_7c15
                value ^= value >> 32
            }
            return value
        }
    }

    private static func marksInConntrack(_ layout: MarkLayout) -> [IPAddress: Set<UInt32>] {
        var marks: [IPAddress: Set<UInt32>] = [:]
        guard var conntrack = try? ConntrackSocket() else { return marks }
        try? conntrack.dump { flow in
            let code = layout.extract(flow.mark)
            if code != 0 { marks[flow.original.source, default: []].insert(code) }
        }
        return marks
    }

    static func contents(of policy: CompiledPolicy) -> TableContents {
        var contents = TableContents()
        for endpoint in policy.endpoints {
            for address in endpoint.addresses {
                contents.known.insert(KnownEndpoint(interface: endpoint.interfaceName, address: address))
                if endpoint.isPoliced || !policy.unselectedAllowed {
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

    private func tick() {
        ticks += 1
        do {
            let counters = try table.counters()
            sharedStatus.withLock { $0.kernelDrops = counters }
        } catch {
            logger.error("the table cannot be read; installing it anew", metadata: ["error": "\(error)"])
            repair(contents)
        }
        if ticks % 30 == 0 { releaseDraining() }
    }

    private func repair(_ wanted: TableContents) {
        do {
            try table.install(tableConfiguration, contents: wanted)
            contents = wanted
            sharedStatus.withLock { $0.tableRepairs += 1 }
        } catch {
            logger.critical("the table cannot be installed", metadata: ["error": "\(error)"])
        }
    }

    /// Lets go of bindings that drain for no flow any more, as conntrack tells.
    private func releaseDraining() {
        struct Pair: Hashable {
            let source: IPAddress
            let destination: IPAddress
        }
        var pairs: Set<Pair> = []
        do {
            // The reply's source is the destination after DNAT, which is what bindings hold.
            var conntrack = try ConntrackSocket()
            try conntrack.dump { pairs.insert(Pair(source: $0.original.source, destination: $0.reply.source)) }
        } catch {
            logger.warning("conntrack cannot be read", metadata: ["error": "\(error)"])
            return
        }
        let policy = published.current
        let inUse = pairs
        mailbox.post { gate in
            gate.releaseDraining { id, destination in
                (policy.endpoint(id)?.addresses ?? []).contains { inUse.contains(Pair(source: $0, destination: destination)) }
            }
        }
    }

    // MARK: Conntrack

    /// The next owner of the address starts clean.
    private func purge(_ address: IPAddress) {
        do {
            var conntrack = try ConntrackSocket()
            _ = try conntrack.purge(originalSource: address)
        } catch {
            logger.warning("conntrack entries could not be purged", metadata: ["address": "\(address)", "error": "\(error)"])
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
