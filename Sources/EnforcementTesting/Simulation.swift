import DomainNames
import Enforcement
import NetworkTypes
import PolicyEngine
import PolicyModel

/// The core under a random history: answers, packets, time, policy and endpoint changes, restarts. After every packet the
/// decision is compared with the reference model; the invariants are checked by name.
///
/// The kernel is a model: flows with a generation in their mark, and the set `current`. A seed and a commit reproduce a run.
public struct Simulation: ~Copyable {
    /// A broken invariant, with the way to reproduce it.
    public struct Failure: Error, CustomStringConvertible, Sendable {
        public let seed: UInt64
        public let step: Int
        public let invariant: String
        public let detail: String
        public var description: String { "seed \(seed), step \(step): \(invariant): \(detail)" }
    }

    /// What happened in a run: a check that never ran proves nothing.
    public struct Coverage: Sendable {
        public var answers = 0
        public var newFlows = 0
        public var allowedByName = 0
        public var denied = 0
        public var redecisions = 0
        public var redecidedByDrainingName = 0
        public var policyChanges = 0
        public var restarts = 0
        public var staleStamps = 0
        public var boundsReached = 0

        public init() {}
    }

    private struct Flow {
        let client: WorkloadEndpoint
        let tuple: FlowTuple
        var mark: UInt16
    }

    private let seed: UInt64
    private let fault: SimulationFault?
    private var random: SeededGenerator
    private var model = ReferenceModel()
    private var now = Instant(seconds: 1_000)
    private var step = 0
    public private(set) var coverage = Coverage()

    private let universe: SimulationUniverse
    private var compiler = PolicyCompiler()
    private var registry: EndpointRegistry
    private let published: Published<CompiledPolicy>
    private let bindingMemory: SharedMemory
    private let registryMemory: SharedMemory
    private var table: AddressTable
    private var gate: DNSGate
    private var engine: VerdictEngine
    private var facts: Ring<FlowRecord>
    private let limits: BindingLimits

    private var current: [IPAddress: UInt16] = [:]
    private var flows: [Flow] = []

    public init(seed: UInt64, fault: SimulationFault? = nil) {
        self.seed = seed
        self.fault = fault
        random = SeededGenerator(seed: seed)
        var limits = BindingLimits()
        limits.bindings = 512
        limits.addressesPerName = 6
        limits.namesPerClient = 10
        limits.bindingsPerClient = 48
        limits.drainingPerClient = limits.bindingsPerClient
        limits.floorSeconds = 5
        limits.graceSeconds = 2
        // Nobody may see what is remembered: the model knows nothing of it.
        limits.redialSeconds = 30
        self.limits = limits
        var generator = SeededGenerator(seed: seed ^ 0xabcd)
        universe = SimulationUniverse(&generator)
        bindingMemory = SharedMemory(byteCount: BindingStore.byteCount(capacity: limits.bindings))
        registryMemory = SharedMemory(byteCount: EndpointRegistry.byteCount(capacity: 16))
        registry = EndpointRegistry(registryMemory, capacity: 16, generationMax: 4_000)
        table = AddressTable(slots: 4_096, seed: (seed, 7))
        facts = Ring(capacity: 64, filler: .filler)
        let empty = compiler.compile(ResourceSet()) { _ in nil }
        published = Published(empty)
        let store = BindingStore(bindingMemory, capacity: limits.bindings, bootMark: 1)
        let names = NameTable(limits: limits, table: table, store: store, policy: empty, now: now)
        gate = DNSGate(names: names, policy: empty, rebinding: RebindingGuard(isEnabled: false), allowedSources: [])
        engine = VerdictEngine(
            policy: published, table: table, facts: facts, counters: VerdictCounters(), mode: .enforce, denyAction: .reject)
    }

    /// Runs `steps` events.
    public mutating func run(steps: Int) throws(Failure) {
        model.now = now
        try changePolicy()
        for number in 1...steps {
            step = number
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<34: try answer()
            case 34..<64: try openFlow()
            case 64..<80: try continueFlow()
            case 80..<90: try passTime()
            case 90..<96: try changePolicy()
            case 96..<98: try closeFlow()
            default: try restart()
            }
        }
    }

    // MARK: Events

    private mutating func answer() throws(Failure) {
        guard let client = randomEndpoint() else { return }
        coverage.answers += 1
        let name = random.pick(universe.names)
        let addresses = (0..<Int.random(in: 1...4, using: &random)).map { _ in random.pick(universe.addresses) }
        let ttl = UInt32.random(in: 0...40, using: &random)
        guard let asking = gate.client(at: client.addresses[0]), case .endpoint(let id) = asking else {
            throw failed("3 clients", "\(client.identity) is not known to the gate")
        }
        if fault == .releasesBeforePublishing {
            // The client has its answer already; its packet comes first.
            try connect(client, to: addresses[0], expecting: nil, afterAnswerOf: name, addresses, ttl)
            return
        }
        let release = gate.learn(
            name, addresses: addresses, timeToLiveSeconds: fault == .neverExpires ? 80_000 : ttl, client: asking, now: now)
        if fault == .sharesBindings, let other = model.resources.endpoints.first(where: { $0.identity != client.identity }),
            let otherClient = gate.client(at: other.addresses[0])
        {
            _ = gate.learn(name, addresses: addresses, timeToLiveSeconds: ttl, client: otherClient, now: now)
        }
        let lease = now.advanced(bySeconds: limits.leaseSeconds(timeToLive: ttl))
        // What made room went before the new was learned.
        try settleBounds(client.identity, id, afterAnswerOf: name, addresses)
        switch release {
        case .release(let cap):
            // 2: the TTL that the client gets is never longer than the lease.
            guard UInt64(min(ttl, cap)) <= limits.leaseSeconds(timeToLive: ttl) else { throw failed("2 TTL within the lease", "\(ttl)") }
            model.learn(name, addresses, expiry: lease, client: client.identity)
            let held = heldAddresses(id, name)
            for address in Set(addresses) where fault != .neverExpires {
                guard let actual = held[address],
                    model.settle(name, address, at: actual, client: client.identity, slack: limits.renewalSlackNanoseconds)
                else { throw failed("2 the lease is what was learned", "\(name) \(address)") }
            }
            try connect(client, to: random.pick(addresses), expecting: nil, afterAnswerOf: nil, [], 0)
        case .refuse:
            coverage.boundsReached += 1
            // What was learned before the limit struck stays; the model takes it over as it is.
            for (address, expiry) in heldAddresses(id, name) where addresses.contains(address) {
                model.learn(name, [address], expiry: expiry, client: client.identity)
            }
        }
        // 7: bounds hold.
        guard gate.names.bindingCount <= limits.bindings else { throw failed("7 bounded", "\(gate.names.bindingCount) bindings") }
    }

    private func heldAddresses(_ id: EndpointID, _ name: DomainName) -> [IPAddress: Instant] {
        var held: [IPAddress: Instant] = [:]
        gate.names.forEachBinding { client, bound, address, expiry, _ in
            if client == id, bound == name { held[address] = expiry }
        }
        return held
    }

    /// Bounds may have ended bindings, or let draining ones go: whether rightly so, and then as it is.
    private mutating func settleBounds(
        _ client: String, _ id: EndpointID, afterAnswerOf name: DomainName?, _ answer: [IPAddress]
    ) throws(Failure) {
        guard fault != .neverExpires, fault != .forgetsLiveFlows, fault != .losesBindingsAtRestart else { return }
        var held: [ReferenceModel.Binding: Instant] = [:]
        gate.names.forEachBinding { owner, bound, address, expiry, _ in
            if owner == id { held[ReferenceModel.Binding(client: client, name: bound, address: address)] = expiry }
        }
        let expected = model.expiries.filter { $0.key.client == client }
        let draining = expected.count { $0.value < now }
        // 7: nothing but the oldest addresses of the name that was learned ends early, and only if there are too many.
        let live = held.filter { $0.key.name == name && $0.value > now }
        for (binding, expiry) in expected where held[binding] == now && expiry > now {
            let outlivesOther = live.contains { $0.value < expiry && !answer.contains($0.key.address) }
            guard binding.name == name, !answer.contains(binding.address), live.count >= limits.addressesPerName, !outlivesOther else {
                throw failed("7 newer addresses end the oldest of their name", "\(binding)")
            }
            coverage.boundsReached += 1
            model.expiries[binding] = now
        }
        for (binding, expiry) in expected where held[binding] == nil {
            let isUnknown = model.unseenSweeps[binding] == nil && model.counts(binding, wasAdmitted: true)
            let mayCarry = isUnknown || model.carrying.contains(binding)
            guard expiry < now, !mayCarry || draining > limits.drainingPerClient else {
                throw failed("6 a binding that carries a flow stays", "\(binding)")
            }
            coverage.boundsReached += 1
            model.forget(binding)
        }
        guard held.count(where: { $0.value < now }) <= limits.drainingPerClient || name != nil else {
            throw failed("7 bounded", "draining bindings of \(client)")
        }
    }

    private mutating func settleAllBounds() throws(Failure) {
        for endpoint in published.current.endpoints { try settleBounds(endpoint.identity, endpoint.id, afterAnswerOf: nil, []) }
    }

    private mutating func openFlow() throws(Failure) {
        guard let client = randomEndpoint() else { return }
        let target = random.chance(10) ? (randomEndpoint()?.addresses[0] ?? universe.addresses[0]) : random.pick(universe.addresses)
        try connect(client, to: target, expecting: nil, afterAnswerOf: nil, [], 0)
    }

    /// The first packet of a new flow.
    private mutating func connect(
        _ client: WorkloadEndpoint, to address: IPAddress, expecting: Bool?, afterAnswerOf name: DomainName?, _ addresses: [IPAddress],
        _ ttl: UInt32
    ) throws(Failure) {
        coverage.newFlows += 1
        let source = client.addresses.first { $0.family == address.family } ?? client.addresses[0]
        let tuple = FlowTuple(
            source: source, destination: address, transport: random.pick([.tcp, .tcp, .udp]),
            sourcePort: UInt16.random(in: 1_024...60_000, using: &random), destinationPort: random.pick([80, 443, 8_080]))
        if let name {
            model.learn(name, addresses, expiry: now.advanced(bySeconds: limits.leaseSeconds(timeToLive: ttl)), client: client.identity)
        }
        let generation = try decideAndCompare(
            client, tuple, wasAdmitted: false, "1 publish before release, 3 bindings of one client, 5 order")
        if let generation { flows.append(Flow(client: client, tuple: tuple, mark: generation)) }
        if flows.count > 200 { flows.removeFirst() }
    }

    /// A later packet of a flow, from either side.
    private mutating func continueFlow() throws(Failure) {
        guard !flows.isEmpty else { return }
        let position = Int.random(in: 0..<flows.count, using: &random)
        let flow = flows[position]
        guard let endpoint = model.resources.endpoints.first(where: { $0.identity == flow.client.identity }) else { return }
        if current[flow.tuple.source] == flow.mark {
            // The kernel accepts without asking: right only if it would be decided the same today.
            let expected = model.decide(endpoint, flow.tuple, wasAdmitted: true)
            guard expected.isAllowed else {
                throw failed("6 and 11: a mark that is current stands for a decision of today", "\(flow.tuple)")
            }
            return
        }
        coverage.redecisions += 1
        let drains = model.names(endpoint.identity, flow.tuple.destination, wasAdmitted: false).isEmpty
        let generation = try decideAndCompare(
            endpoint, flow.tuple, wasAdmitted: true, "6 a live flow keeps its names, 4 function of inputs")
        if let generation {
            if drains, model.decide(endpoint, flow.tuple, wasAdmitted: true).byName { coverage.redecidedByDrainingName += 1 }
            flows[position].mark = generation
        } else {
            flows.remove(at: position)
        }
    }

    private mutating func closeFlow() throws(Failure) {
        if !flows.isEmpty { flows.remove(at: Int.random(in: 0..<flows.count, using: &random)) }
        try settleDraining()
    }

    private mutating func passTime() throws(Failure) {
        now = now.advanced(byNanoseconds: UInt64.random(in: 1...20_000_000_000, using: &random))
        model.now = now
        gate.tick(now: now)
        if fault == .forgetsLiveFlows {
            for _ in 0..<2 { gate.releaseDraining(sweepBegan: now) { _, _ in false } }
        }
        try settleAllBounds()
    }

    /// The conntrack sweep: what drains for no flow goes.
    private mutating func settleDraining() throws(Failure) {
        gate.tick(now: now)
        let inUse = Set(flows.map { "\($0.tuple.source) \($0.tuple.destination)" })
        let policy = published.current
        try settleAllBounds()
        gate.releaseDraining(sweepBegan: now) { id, address in
            guard let endpoint = policy.endpoints.first(where: { $0.id == id }) else { return false }
            return endpoint.addresses.contains { inUse.contains("\($0) \(address)") }
        }
        let endpoints = model.resources.endpoints
        model.forgetEnded { identity, address in
            guard let endpoint = endpoints.first(where: { $0.identity == identity }) else { return false }
            return endpoint.addresses.contains { inUse.contains("\($0) \(address)") }
        }
        try settleAllBounds()
    }

    private mutating func changePolicy() throws(Failure) {
        coverage.policyChanges += 1
        // Settled first, so that what the model keeps and what the table keeps is the same.
        try settleDraining()
        model.resources = universe.resources(&random, previous: model.resources)
        let identities = Set(model.resources.endpoints.map(\.identity))
        model.forgetClients(except: identities)
        let policy = compile()
        gate.adopt(policy)
        published.publish(policy)
        let before = current
        current = [:]
        for endpoint in policy.endpoints {
            for address in endpoint.addresses { current[address] = endpoint.generation }
        }
        flows.removeAll { !identities.contains($0.client.identity) }
        gate.settle()
        registry.retain(identities)
        if before.isEmpty { return }
        coverage.staleStamps += 1
    }

    private mutating func compile() -> CompiledPolicy {
        var input = model.resources
        if fault == .reversesOrder {
            for position in input.policies.indices { input.policies[position].order = input.policies[position].order.map { -$0 } }
        }
        var ids: [String: EndpointID] = [:]
        for endpoint in input.endpoints { ids[endpoint.identity] = registry.register(endpoint.identity) }
        let policy = compiler.compile(input) { ids[$0] }
        var generations: [UInt16] = []
        let borne = Dictionary(grouping: flows, by: { $0.tuple.source }).mapValues { Set($0.map(\.mark)) }
        for endpoint in policy.endpoints {
            generations.append(
                registry.generation(of: endpoint.id, fingerprint: fault == .keepsGeneration ? 1 : endpoint.fingerprint) { candidate in
                    endpoint.addresses.contains { borne[$0]?.contains(candidate) ?? false }
                })
        }
        return policy.withGenerations(generations)
    }

    /// kill -9 and a new process: only the shared memory is left.
    private mutating func restart() throws(Failure) {
        coverage.restarts += 1
        try settleDraining()
        for _ in 0..<4 { gate.tick(now: now) }
        try settleAllBounds()
        compiler = PolicyCompiler()
        registry = EndpointRegistry(registryMemory, capacity: 16, generationMax: 4_000)
        let policy = compile()
        table = AddressTable(slots: 4_096, seed: (seed, UInt64(step)))
        facts = Ring(capacity: 64, filler: .filler)
        let store = BindingStore(
            bindingMemory, capacity: limits.bindings, bootMark: fault == .losesBindingsAtRestart ? UInt64(step) + 2 : 1)
        let names = NameTable(limits: limits, table: table, store: store, policy: policy, now: now)
        gate = DNSGate(names: names, policy: policy, rebinding: RebindingGuard(isEnabled: false), allowedSources: [])
        published.publish(policy)
        engine = VerdictEngine(
            policy: published, table: table, facts: facts, counters: VerdictCounters(), mode: .enforce, denyAction: .reject)
        // Which bindings carried a flow is not written down: after a restart all of them may have.
        for binding in model.expiries.keys {
            model.unseenSweeps[binding] = nil
            model.firstAdmissions[ReferenceModel.ClientAddress(client: binding.client, address: binding.address)] = Instant(nanoseconds: 1)
        }
        // Generations outlive the restart: flows of unchanged endpoints stay with the kernel.
        for endpoint in policy.endpoints {
            for address in endpoint.addresses where current[address] != endpoint.generation {
                throw failed("4 a restart changes nothing", "generation of \(endpoint.identity)")
            }
        }
    }

    // MARK: Checks

    /// Decides one packet by the engine and by the model; gives the generation that was stamped, nil if it was refused.
    private mutating func decideAndCompare(
        _ endpoint: WorkloadEndpoint, _ tuple: FlowTuple, wasAdmitted: Bool, _ invariant: String
    ) throws(Failure) -> UInt16? {
        let isReply = wasAdmitted && random.chance(40)
        let onWire =
            isReply
            ? FlowTuple(
                source: tuple.destination, destination: tuple.source, transport: tuple.transport, sourcePort: tuple.destinationPort,
                destinationPort: tuple.sourcePort)
            : tuple
        let packet = PacketBuilder.packet(onWire, tcpFlags: wasAdmitted ? 0x10 : 0x02)
        engine.beginBatch(now: now)
        let verdict = engine.decide(packet.span, VerdictEngine.FlowState(isReply: isReply, wasAdmitted: wasAdmitted))
        guard let record = facts.popFirst() else { throw failed("8 every verdict is recorded", "\(tuple)") }
        let expected = model.decide(endpoint, tuple, wasAdmitted: wasAdmitted)
        switch verdict {
        case .allow(let generation), .lease(let generation):
            guard expected.isAllowed else { throw failed(invariant, "allowed \(tuple) of \(endpoint.identity), rule \(record.rule)") }
            if expected.byName {
                model.noteAdmission(endpoint.identity, tuple.destination)
                coverage.allowedByName += 1
            }
            // 11: the stamp counts only if it is current; a stale one sends the packet back to the queue.
            let stamp = fault == .stampsStaleVerdicts && random.chance(30) ? generation &+ 1 : generation
            guard current[tuple.source] == stamp else { throw failed("11 a verdict counts only if its generation is current", "\(stamp)") }
            return stamp
        // The engine of a simulation waits for nothing and looks for no names.
        case .hold, .pending, .observe, .checked: throw failed("8 every packet has a verdict", "\(verdict)")
        case .reject, .drop, .revoke:
            coverage.denied += 1
            guard !expected.isAllowed else {
                let position = published.current.endpointIndex(of: tuple.source) ?? 0
                let trace = published.current.explain(
                    endpoint: position, tuple, bindings: NoBindings()
                ).trace.map(\.description).joined(separator: "\n  ")
                throw failed(
                    invariant,
                    "refused \(tuple) of \(endpoint.identity): \(record.reason.label)\n  \(trace)\n\(model.resources.policies.map { "\($0)" }.joined(separator: "\n"))"
                )
            }
            // 8: every refusal has a reason.
            guard !record.reason.isAllowed else { throw failed("8 every drop has a reason", "\(record.reason)") }
            return nil
        }
    }

    private mutating func randomEndpoint() -> WorkloadEndpoint? {
        model.resources.endpoints.isEmpty ? nil : random.pick(model.resources.endpoints)
    }

    private func failed(_ invariant: String, _ detail: String) -> Failure {
        Failure(seed: seed, step: step, invariant: invariant, detail: detail)
    }
}

private struct NoBindings: BindingLookup {
    struct Numbers: BoundNumbers {
        mutating func next() -> PatternNumber? { nil }
    }

    func numbers(_ endpoint: EndpointID, boundTo address: IPAddress) -> Numbers { Numbers() }
}
