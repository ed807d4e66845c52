import DomainNames
import Enforcement
import EnforcementTesting
import NetworkTypes
import PolicyEngine
import PolicyModel

/// The core of one node, wired as the daemon does it, beside a kernel of two tables: which flow bears which mark, and
/// which mark is current. Time is what the test says.
final class TestNode {
    private static let generationMax: UInt16 = 4_000

    let limits: BindingLimits
    let mode: VerdictEngine.Mode
    let denyAction: VerdictEngine.DenyAction
    var now = Instant(seconds: 1_000)
    private let bindingMemory: SharedMemory
    private let registryMemory: SharedMemory
    private var compiler: PolicyCompiler
    private var registry: EndpointRegistry
    private let published: Published<CompiledPolicy>
    private var table: AddressTable
    private(set) var gate: DNSGate
    private var engine: VerdictEngine
    private var facts: Ring<FlowRecord>
    private(set) var counters = VerdictCounters()
    private var resources: ResourceSet
    private var policyText: String
    private var current: [IPAddress: UInt16] = [:]
    private var marks: [FlowTuple: UInt16] = [:]

    init(
        _ yaml: String, endpoints: [WorkloadEndpoint] = TestPolicy.endpoints, limits: BindingLimits = .small,
        mode: VerdictEngine.Mode = .enforce, denyAction: VerdictEngine.DenyAction = .reject, unselectedAllowed: Bool = true,
        rebinding: RebindingGuard = RebindingGuard()
    ) throws {
        self.limits = limits
        self.mode = mode
        self.denyAction = denyAction
        policyText = yaml
        resources = try TestPolicy.resources(yaml, endpoints: endpoints)
        bindingMemory = SharedMemory(byteCount: BindingStore.byteCount(capacity: limits.bindings))
        registryMemory = SharedMemory(byteCount: EndpointRegistry.byteCount(capacity: 16))
        var registry = EndpointRegistry(registryMemory, capacity: 16, generationMax: Self.generationMax)
        var compiler = PolicyCompiler(PolicyOptions(unselectedAllowed: unselectedAllowed))
        let policy = Self.compile(resources, &compiler, &registry)
        self.registry = registry
        self.compiler = compiler
        published = Published(policy)
        table = AddressTable(slots: 4_096, seed: (1, 2))
        facts = Ring(capacity: 16, filler: .filler)
        let store = BindingStore(bindingMemory, capacity: limits.bindings, bootMark: 1)
        let names = NameTable(limits: limits, table: table, store: store, policy: policy, now: now)
        gate = DNSGate(names: names, policy: policy, rebinding: rebinding, allowedSources: [])
        engine = VerdictEngine(
            policy: published, table: table, facts: facts, counters: counters, mode: mode, denyAction: denyAction)
        install(policy)
    }

    // MARK: Policy

    private static func compile(
        _ resources: ResourceSet, _ compiler: inout PolicyCompiler, _ registry: inout EndpointRegistry
    ) -> CompiledPolicy {
        var numbers: [String: EndpointID] = [:]
        for endpoint in resources.endpoints { numbers[endpoint.identity] = registry.register(endpoint.identity) }
        let policy = compiler.compile(resources) { numbers[$0] }
        return policy.withGenerations(
            policy.endpoints.map { registry.generation(of: $0.id, fingerprint: $0.fingerprint) { _ in false } })
    }

    /// The kernel's part: what is current, and no flows of addresses that went or came.
    private func install(_ policy: CompiledPolicy) {
        let before = current
        current = [:]
        for endpoint in policy.endpoints {
            for address in endpoint.addresses { current[address] = endpoint.generation }
        }
        let kept = current
        marks = marks.filter { before[$0.key.source] != nil && kept[$0.key.source] != nil }
    }

    func reload(_ yaml: String) throws {
        policyText = yaml
        try apply(resources.endpoints)
    }

    func add(_ endpoint: WorkloadEndpoint) throws { try apply(resources.endpoints + [endpoint]) }

    func remove(_ name: String) throws { try apply(resources.endpoints.filter { $0.name != name }) }

    func label(_ name: String, app: String) throws {
        var endpoints = resources.endpoints
        for position in endpoints.indices where endpoints[position].name == name { endpoints[position].labels["app"] = app }
        try apply(endpoints)
    }

    private func apply(_ endpoints: [WorkloadEndpoint]) throws {
        resources = try TestPolicy.resources(policyText, endpoints: endpoints)
        let policy = Self.compile(resources, &compiler, &registry)
        gate.adopt(policy)
        published.publish(policy)
        install(policy)
        registry.retain(Set(policy.endpoints.map(\.identity)))
        gate.settle()
    }

    /// A new process: only the shared memory and the kernel are left.
    func restart() {
        compiler = PolicyCompiler()
        registry = EndpointRegistry(registryMemory, capacity: 16, generationMax: Self.generationMax)
        let policy = Self.compile(resources, &compiler, &registry)
        published.publish(policy)
        table = AddressTable(slots: 4_096, seed: (3, 4))
        facts = Ring(capacity: 16, filler: .filler)
        let store = BindingStore(bindingMemory, capacity: limits.bindings, bootMark: 1)
        let names = NameTable(limits: limits, table: table, store: store, policy: policy, now: now)
        gate = DNSGate(names: names, policy: policy, rebinding: RebindingGuard(), allowedSources: [])
        engine = VerdictEngine(
            policy: published, table: table, facts: facts, counters: counters, mode: mode, denyAction: denyAction)
        install(policy)
    }

    // MARK: Time and names

    /// Leases end, and bindings go that drain for no flow: two sweeps over conntrack.
    func pass(to instant: Instant) {
        now = instant
        gate.tick(now: now)
        let addresses = Dictionary(uniqueKeysWithValues: published.current.endpoints.map { ($0.id, $0.addresses) })
        let flows = marks.keys
        for _ in 0..<2 {
            gate.releaseDraining(sweepBegan: now) { id, destination in
                flows.contains { $0.destination == destination && (addresses[id] ?? []).contains($0.source) }
            }
        }
    }

    func resolve(_ client: String, _ text: String, _ addresses: [IPAddress], ttl: UInt32) throws -> AnswerRelease? {
        let source = try endpoint(client).addresses[0]
        guard let asking = gate.client(at: source) else { return nil }
        return gate.learn(try domain(text), addresses: addresses, timeToLiveSeconds: ttl, client: asking, now: now)
    }

    // MARK: Packets

    func flow(_ client: String, _ destination: IPAddress, _ transport: TransportProtocol, _ port: UInt16) throws -> FlowTuple {
        let source = try endpoint(client).addresses.first { $0.family == destination.family }
        guard let source else { throw TestPolicy.Unreadable(description: "\(client) has no address of that family") }
        return FlowTuple(
            source: source, destination: destination, transport: transport, sourcePort: transport.hasPorts ? 40_000 : 0,
            destinationPort: transport.hasPorts ? port : 0)
    }

    private func endpoint(_ name: String) throws -> WorkloadEndpoint {
        // An endpoint that is gone still has its interface and may send.
        guard let found = (resources.endpoints + TestPolicy.endpoints).first(where: { $0.name == name }) else {
            throw TestPolicy.Unreadable(description: "no endpoint \(name)")
        }
        return found
    }

    /// The first packet of a flow: decided always.
    func open(_ flow: FlowTuple) -> (verdict: VerdictEngine.Verdict, record: FlowRecord?) {
        marks[flow] = nil
        return queue(flow, isReply: false, wasAdmitted: false)
    }

    /// A later packet; nil if the kernel lets it pass by its mark.
    func resume(_ flow: FlowTuple, isReply: Bool) -> (verdict: VerdictEngine.Verdict, record: FlowRecord?)? {
        if let mark = marks[flow], mark == current[flow.source] { return nil }
        return queue(flow, isReply: isReply, wasAdmitted: marks[flow] != nil)
    }

    func close(_ flow: FlowTuple) { marks[flow] = nil }

    private func queue(_ flow: FlowTuple, isReply: Bool, wasAdmitted: Bool) -> (VerdictEngine.Verdict, FlowRecord?) {
        let onWire =
            isReply
            ? FlowTuple(
                source: flow.destination, destination: flow.source, transport: flow.transport, sourcePort: flow.destinationPort,
                destinationPort: flow.sourcePort) : flow
        let packet = PacketBuilder.packet(onWire, tcpFlags: wasAdmitted ? 0x10 : 0x02)
        return decide(packet, VerdictEngine.FlowState(isReply: isReply, wasAdmitted: wasAdmitted), stamping: flow)
    }

    /// Decides bytes as the queue delivers them; an allowed flow is stamped.
    func decide(
        _ packet: [UInt8], _ state: VerdictEngine.FlowState, stamping flow: FlowTuple? = nil
    ) -> (VerdictEngine.Verdict, FlowRecord?) {
        engine.beginBatch(now: now)
        let verdict = engine.decide(packet.span, state)
        if let flow {
            if case .allow(let generation) = verdict { marks[flow] = generation } else { marks[flow] = nil }
        }
        return (verdict, facts.popFirst())
    }

    /// The name that a record speaks of, as the flow log asks for it.
    func name(of record: FlowRecord) -> DomainName? {
        guard let endpoint = record.endpoint else { return nil }
        let store = BindingStore(bindingMemory, capacity: limits.bindings, bootMark: 1)
        return store.name(ofRecord: Int(record.nameRecord), client: endpoint, address: record.flow.destination)
    }

    func rule(of record: FlowRecord) -> String? {
        published.current.description(ofRule: record.rule)?.description
    }
}
