import DomainNames
import Enforcement
import NetworkTypes
import PolicyEngine
import PolicyModel

/// The core under a random history: answers, packets, time, policy and endpoint changes, restarts and crashes. After every packet the
/// decision is compared with the reference model; the invariants are checked by name.
///
/// ```
/// ReferenceModel  what should be: bindings, policy of the verdict threads and policy in force      (compared with)
/// SimulatedDaemon one process: gate, engine, flow table, registry, in the order of the control plane
/// SimulatedKernel conntrack, `current`, kernel leases                                              (outlives the daemon)
/// SimulatedFile   the files of the runtime directory                                               (outlive the daemon)
/// ```
/// Verdicts may be on their way while policy changes, facts and events may be lost, and the process may die between any two steps of a
/// change. A seed and a commit reproduce a run.
public struct Simulation: ~Copyable {
    /// A broken invariant, with the way to reproduce it.
    public struct Failure: Error, CustomStringConvertible, Sendable {
        public let seed: UInt64
        public let step: Int
        public let invariant: SimulationInvariant
        public let detail: String
        public var description: String { "seed \(seed), step \(step): \(invariant.rawValue): \(detail)" }
    }

    /// A packet that was asked about; its verdict has not reached the kernel yet.
    struct Flight {
        /// Rises with every verdict.
        let number: Int
        let tuple: FlowTuple
        let isReply: Bool
        /// Of its conntrack entry; nil for one that no packet has confirmed.
        let entry: UInt32?
        /// What an entry that is not confirmed bears.
        var mark: SimulatedKernel.Mark
        /// nil: back in the queue.
        var verdict: VerdictEngine.Verdict?
        let admission: FlowAdmission?
        let client: String
        let generation: UInt16
        var isFactLost = false
        /// A first packet whose verdict was stale: no lease lets it pass.
        var isAnew = false
        let deadline: Instant
    }

    let seed: UInt64
    let fault: SimulationFault?
    var random: SeededGenerator
    var model = ReferenceModel()
    var now = Instant(seconds: 1_000)
    var step = 0
    public internal(set) var coverage = SimulationCoverage()

    let universe: SimulationUniverse
    let limits: BindingLimits
    /// The flow table has not room for all flows: some are not known.
    let isTableSmall: Bool
    let flowsMax: Int
    let files: SimulatedDaemon.Files
    var kernel: SimulatedKernel
    var daemon: SimulatedDaemon

    var flights: [Flight] = []
    var pendingFacts: [FlowFact] = []
    var hasLostEvents = false
    var nextSweep = Instant(seconds: 1_000)

    // What the checks remember.
    var decisions = 0
    /// What had bindings that were lost: in records that came back damaged, withdrawn for a policy that the process died before, or while a flow was
    /// refused. Flows that were admitted by them go on until their endpoint has another policy.
    private(set) var lost: Set<ReferenceModel.ClientAddress> = []
    /// Of these, what was lost before the verdict threads got the policy that is on its way to the kernel.
    private var lostBefore: Set<ReferenceModel.ClientAddress> = []
    /// What had bindings of endpoints that the change under way removes.
    var withdrawn: Set<ReferenceModel.ClientAddress> = []
    /// Which generation each endpoint had last that the registry still knows.
    var lastGenerations: [String: UInt16] = [:]
    var isChanging = false
    /// The process died within a change: its generations may have been given already.
    var hasDiedWithinChange = false
    /// When a binding ended before its time, to make room.
    var endedEarly: [ReferenceModel.ClientAddress: Instant] = [:]
    var everLearned: Set<ReferenceModel.Binding> = []
    /// Complete sweeps since an entry went that the FlowTable still has.
    var sweepsSinceGone: [FlowKey: Int] = [:]

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
        isTableSmall = seed % 4 == 0
        flowsMax = isTableSmall ? 12 : 1_024
        files = SimulatedDaemon.Files(
            bindings: SimulatedFile(byteCount: BindingStore.byteCount(capacity: limits.bindings)),
            registry: SimulatedFile(byteCount: EndpointRegistry.byteCount(capacity: SimulatedDaemon.endpointsMax)),
            flows: SimulatedFile(byteCount: FlowTable.byteCount(capacity: flowsMax)))
        // Three bits of generation; where there are only three generations, flows bear all of them time and again.
        kernel = SimulatedKernel(generationMax: seed % 8 == 5 ? 3 : 7)
        kernel.ignoresLeaseGeneration = fault == .revivesLeases
        if fault == .leasesOutliveBindings { kernel.leaseSeconds = 300 }
        daemon = SimulatedDaemon(
            ResourceSet(), files: files, limits: limits, flowsMax: flowsMax, kernel: kernel, seed: (seed, 7), bootMark: 1, now: now,
            fault: fault)
    }

    /// Runs `steps` events.
    public mutating func run(steps: Int) throws(Failure) {
        model.now = now
        try changePolicy()
        for number in 1...steps {
            step = number
            switch Int.random(in: 0..<1_000, using: &random) {
            case 0..<300: try answer()
            case 300..<540: try openFlow()
            case 540..<740: try continueFlow()
            case 740..<840: try passTime()
            case 840..<890: try changePolicy()
            case 890..<930: try closeFlow()
            case 930..<950: try sendUnreadable()
            case 950..<970: try deliver()
            case 970..<980: try sweep()
            case 980..<984: try flood()
            default: try restart(reading: model.resources, isCrash: random.chance(70))
            }
        }
    }

    /// Time goes on by a moment, or by seconds; whatever was to happen until then happens.
    mutating func passTime() throws(Failure) {
        // Facts and events are told within milliseconds.
        try deliver()
        let step =
            random.chance(25) ? UInt64.random(in: 1...200_000_000, using: &random) : UInt64.random(in: 1...20_000_000_000, using: &random)
        let target = now.advanced(byNanoseconds: step)
        // A verdict is never on its way for longer than its deadline.
        while let position = flights.firstIndex(where: { $0.deadline <= target }) { try land(flights.remove(at: position)) }
        now = target
        model.now = now
        daemon.gate.tick(now: now)
        if fault == .forgetsLiveFlows {
            for _ in 0..<2 { daemon.gate.releaseDraining(sweepBegan: now) { _, _ in false } }
        }
        try settleAllBounds()
        try settleChange()
        if now >= nextSweep || hasLostEvents { try sweep() }
    }

    mutating func randomEndpoint() -> WorkloadEndpoint? {
        model.resources.endpoints.isEmpty ? nil : random.pick(model.resources.endpoints)
    }

    /// Whose address it is, under the policy in force.
    func owner(_ address: IPAddress) -> WorkloadEndpoint? { model.inForce.endpoints.first { $0.addresses.contains(address) } }

    mutating func lose(_ key: ReferenceModel.ClientAddress) {
        lost.insert(key)
        lostBefore.remove(key)
    }

    /// The verdict threads go by another policy from now on.
    mutating func noteLost() { lostBefore = lost }

    /// The endpoint has another generation: of its flows none goes on that was decided under the last.
    mutating func forgetLost(of client: String) {
        lost = lost.filter { $0.client != client || !lostBefore.contains($0) }
    }

    func failed(_ invariant: SimulationInvariant, _ detail: String) -> Failure {
        Failure(seed: seed, step: step, invariant: invariant, detail: detail)
    }
}
