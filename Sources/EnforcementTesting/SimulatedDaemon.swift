import Enforcement
import NetworkTypes
import PolicyEngine
import PolicyModel

/// One process: the core as the daemon wires it. What outlives it is in the files and in the kernel.
struct SimulatedDaemon: ~Copyable {
    /// The files of the runtime directory.
    struct Files {
        let bindings: SimulatedFile
        let registry: SimulatedFile
        let flows: SimulatedFile
    }

    static let endpointsMax = 16
    static let leaseBudget = 5

    let fault: SimulationFault?
    var compiler = PolicyCompiler()
    var registry: EndpointRegistry
    let published: Published<CompiledPolicy>
    let table: AddressTable
    private let store: BindingStore
    var gate: DNSGate
    /// What the gate goes by; the verdict threads may be behind.
    private(set) var gatePolicy: CompiledPolicy
    private var engine: VerdictEngine
    private let facts: Ring<FlowRecord>
    var flows: FlowTable
    let leases: LeaseBudget

    // Of the control plane.
    var retired = RetiredGenerations()
    var cleanAddresses: Set<IPAddress> = []
    var addressesToPurge: Set<IPAddress> = []
    var addressesToForgive: Set<IPAddress> = []
    var settlesAt: Instant?

    /// A start: policy with the generations that are kept, then what the files hold. The kernel is not touched yet.
    init(
        _ resources: ResourceSet, files: Files, limits: BindingLimits, flowsMax: Int, kernel: SimulatedKernel, seed: (UInt64, UInt64),
        bootMark: UInt64, now: Instant, fault: SimulationFault?
    ) {
        self.fault = fault
        var limits = limits
        if fault == .exceedsBounds {
            limits.bindingsPerClient *= 2
            limits.namesPerClient *= 2
        }
        registry = EndpointRegistry(files.registry.memory, capacity: Self.endpointsMax, generationMax: kernel.generationMax)
        let (policy, generations) = Self.compile(
            resources, &compiler, &registry, previous: nil, retired: RetiredGenerations(), clean: [], kernel, now: now, fault)
        exhaustedAtStart = generations.exhausted
        registry.retain(Set(policy.endpoints.map(\.identity)))
        published = Published(policy)
        gatePolicy = policy
        table = AddressTable(slots: 2 * limits.bindings, seed: seed)
        store = BindingStore(files.bindings.memory, capacity: limits.bindings, bootMark: bootMark)
        let names = NameTable(limits: limits, table: table, store: store, policy: policy, now: now)
        gate = DNSGate(
            names: names, policy: policy, rebinding: RebindingGuard(isEnabled: fault != .letsNamesPointInside), allowedSources: [])
        facts = Ring(capacity: 64, filler: .filler)
        leases = LeaseBudget(
            endpointsMax: Self.endpointsMax, countMax: fault == .exceedsLeaseBudget ? 10 * Self.leaseBudget : Self.leaseBudget)
        engine = VerdictEngine(
            policy: published, table: table, facts: facts, counters: VerdictCounters(), mode: .enforce, denyAction: .reject,
            leases: leases)
        if fault == .losesFlowsAtRestart { files.flows.clear() }
        flows = FlowTable(files.flows.memory, capacity: flowsMax, bootMark: 1)
    }

    /// Addresses whose flows have to be purged when the table is installed.
    let exhaustedAtStart: Set<IPAddress>

    /// Compiles and gives generations, as the control plane does for a change.
    mutating func compile(_ resources: ResourceSet, _ kernel: SimulatedKernel, now: Instant) -> (CompiledPolicy, Set<IPAddress>) {
        let (policy, generations) = Self.compile(
            resources, &compiler, &registry, previous: published.current,
            retired: fault == .reusesLeasedGenerations ? RetiredGenerations() : retired, clean: cleanAddresses, kernel, now: now, fault)
        return (policy, generations.exhausted)
    }

    private static func compile(
        _ resources: ResourceSet, _ compiler: inout PolicyCompiler, _ registry: inout EndpointRegistry, previous: CompiledPolicy?,
        retired: RetiredGenerations, clean: Set<IPAddress>, _ kernel: SimulatedKernel, now: Instant, _ fault: SimulationFault?
    ) -> (CompiledPolicy, EndpointRegistry.Generations) {
        var input = resources
        if fault == .reversesOrder {
            for position in input.policies.indices { input.policies[position].order = input.policies[position].order.map { -$0 } }
        }
        var ids: [String: EndpointID] = [:]
        for endpoint in input.endpoints { ids[endpoint.identity] = registry.register(endpoint.identity) }
        let policy = compiler.compile(input) { ids[$0] }
        var generations = EndpointRegistry.Generations()
        switch fault {
        case .keepsGeneration:
            for endpoint in policy.endpoints {
                generations.values.append(registry.generation(of: endpoint.id, fingerprint: 1) { _ in false })
            }
        case .keepsFlowsOfTheOwnerBefore:
            generations = registry.generations(
                for: policy, previous: previous, retired: RetiredGenerations(), now: now, isClean: { _ in true }, marks: { [:] })
        default:
            let marks = kernel.marks
            generations = registry.generations(
                for: policy, previous: previous, retired: retired, now: now, isClean: clean.contains, marks: { marks })
        }
        return (policy.withGenerations(generations.values), generations)
    }

    /// The DNS worker takes a policy over.
    mutating func adopt(_ policy: CompiledPolicy) {
        gate.adopt(policy)
        gatePolicy = policy
    }

    /// A verdict thread decides one packet. Gives the verdict, its record, and what the flow log's thread makes of it.
    mutating func decide(
        _ packet: [UInt8], _ state: VerdictEngine.FlowState, now: Instant
    ) -> (VerdictEngine.Verdict, FlowRecord?, FlowFact?) {
        engine.beginBatch(now: now)
        let verdict = engine.decide(packet.span, state)
        guard let record = facts.popFirst() else { return (verdict, nil, nil) }
        guard let id = record.endpoint else { return (verdict, record, nil) }
        let name =
            record.nameRecord < 0 ? nil : store.name(ofRecord: Int(record.nameRecord), client: id, address: record.flow.destination)
        let rule = published.current.description(ofRule: record.rule)?.description ?? ""
        let fact = FlowFact(
            time: record.time, flow: record.flow, isAllowed: record.verdict == .allow, isRedecision: record.isRedecision,
            admission: FlowAdmission(endpoint: id, name: name, rule: rule, reason: record.reason, policyVersion: record.policyVersion))
        return (verdict, record, fact)
    }
}
