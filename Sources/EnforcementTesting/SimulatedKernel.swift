import Enforcement
import NetworkTypes
import PolicyEngine

/// What the kernel does for Exeat, as a value: connection tracking, and the rules of table `inet exeat` that decide without asking.
///
/// It follows the chains `stamp`, `judge`, `lease` and `revoked` rule by rule, for packets that a verdict could be asked about; what is refused by their
/// shape never comes here. It outlives the daemon.
struct SimulatedKernel {
    /// Our bits of a conntrack mark.
    enum Mark: Hashable {
        case none
        case generation(UInt16)
        /// Admitted once, to be decided anew: in no `current`.
        case asked
        case denied
    }

    /// A conntrack entry. What stands below `history` the kernel does not know: it is what the checks compare with.
    struct Flow {
        let id: UInt32
        let tuple: FlowTuple
        var mark: Mark
        let start: Instant
        var traffic = FlowTraffic.zero

        // MARK: history
        /// For whom what its mark stands for was decided.
        var client: String
        var endpoint: EndpointID?
        var admission: FlowAdmission?
        /// The last of its verdicts, by the time it was decided.
        var decision = 0
        /// Some verdict or event of it may not have reached the FlowTable.
        var isUncertain = false
        /// No verdict of its own.
        var isLeased = false
        var wasRevoked = false
        /// The generation that was current when it was revoked.
        var deniedUnder: UInt16?
        /// The last walk over the entries did not show it.
        var wasMissed = false

        mutating func count(isReply: Bool) {
            if isReply {
                traffic.packetsIn += 1
                traffic.bytesIn += 100
            } else {
                traffic.packetsOut += 1
                traffic.bytesOut += 60
            }
        }
    }

    struct LeaseKey: Hashable {
        let source: IPAddress
        let destination: IPAddress
        let transport: TransportProtocol
        let port: UInt16

        init(_ tuple: FlowTuple) {
            source = tuple.source
            destination = tuple.destination
            transport = tuple.transport
            port = tuple.destinationPort
        }
    }

    struct Lease {
        let generation: UInt16
        let end: Instant
        // For the checks: what the flow was admitted under whose verdict asked for it, and for whom.
        let admission: FlowAdmission?
        let client: String
    }

    /// What becomes of a packet before anybody is asked.
    enum Path {
        /// Its source is none that may send from there.
        case dropped
        /// Of nobody's egress.
        case returned
        /// The flow was decided under today's policy.
        case accepted
        case leased(Lease)
        /// The flow was refused for good.
        case denied
        case queued(wasAdmitted: Bool)
    }

    enum Event {
        case began(Flow)
        case ended(Flow)
    }

    static let leasesMax = 24

    let generationMax: UInt16
    var known: Set<IPAddress> = []
    var current: [IPAddress: UInt16] = [:]
    var flows: [Flow] = []
    private var places: [FlowTuple: Int] = [:]
    var leases: [LeaseKey: Lease] = [:]
    var leaseSeconds = LeaseBudget.leaseSeconds
    var ignoresLeaseGeneration = false
    /// For whoever follows connection tracking; of marked flows alone.
    var events: [Event] = []
    private var nextID: UInt32 = 1

    init(generationMax: UInt16) { self.generationMax = generationMax }

    func place(_ tuple: FlowTuple) -> Int? { places[tuple] }

    private func isCurrent(_ tuple: FlowTuple, _ mark: Mark) -> Bool {
        guard case .generation(let generation) = mark else { return false }
        return current[tuple.source] == generation
    }

    func isCurrent(_ tuple: FlowTuple, _ generation: UInt16) -> Bool { current[tuple.source] == generation }

    /// The chain `judge`, for a packet whose entry bears `mark`. Only the originator's packets come from a workload interface.
    mutating func judge(_ tuple: FlowTuple, _ mark: Mark, isNew: Bool, isReply: Bool, now: Instant) -> Path {
        if !isReply, !known.contains(tuple.source) { return .dropped }
        if isCurrent(tuple, mark) { return .accepted }
        guard current[tuple.source] != nil else { return .returned }
        if mark == .denied { return .denied }
        if isNew, mark == .none, let lease = lease(LeaseKey(tuple), now: now) { return .leased(lease) }
        return .queued(wasAdmitted: mark != .none)
    }

    /// The chain `lease`: what is found must be current, or goes.
    private mutating func lease(_ key: LeaseKey, now: Instant) -> Lease? {
        guard let found = leases[key] else { return nil }
        if found.end > now, ignoresLeaseGeneration || current[key.source] == found.generation { return found }
        leases[key] = nil
        return nil
    }

    /// The chain `admitted`: never lengthened, and a full map only means the queue.
    mutating func add(_ lease: Lease, _ tuple: FlowTuple, now: Instant) -> Bool {
        let key = LeaseKey(tuple)
        if let found = leases[key], found.end > now { return true }
        if leases.count >= Self.leasesMax {
            leases = leases.filter { $0.value.end > now }
            guard leases.count < Self.leasesMax else { return false }
        }
        leases[key] = lease
        return true
    }

    /// The first packet has passed: the entry is confirmed.
    mutating func confirm(_ tuple: FlowTuple, _ mark: Mark, client: String, now: Instant) -> Int {
        flows.append(Flow(id: nextID, tuple: tuple, mark: mark, start: now, client: client))
        nextID += 1
        places[tuple] = flows.count - 1
        return flows.count - 1
    }

    /// Tells of an entry that is new; of unmarked ones nobody hears.
    mutating func tellOfBeginning(_ place: Int) {
        if flows[place].mark != .none { events.append(.began(flows[place])) }
    }

    mutating func end(_ place: Int) {
        let flow = flows[place]
        if flow.mark != .none { events.append(.ended(flow)) }
        places[flow.tuple] = nil
        flows.swapAt(place, flows.count - 1)
        flows.removeLast()
        if place < flows.count { places[flows[place].tuple] = place }
    }

    mutating func purge(_ sources: Set<IPAddress>) {
        for place in flows.indices.reversed() where sources.contains(flows[place].tuple.source) { end(place) }
    }

    /// At a start: what bears a generation that is not current is of another policy or another owner, and must not come to life with a later one.
    mutating func askAgain() {
        for place in flows.indices {
            guard case .generation = flows[place].mark, !isCurrent(flows[place].tuple, flows[place].mark) else { continue }
            flows[place].mark = .asked
        }
    }

    /// Which generations the entries of each address bear.
    var marks: [IPAddress: Set<UInt16>] {
        var marks: [IPAddress: Set<UInt16>] = [:]
        for flow in flows {
            if case .generation(let generation) = flow.mark { marks[flow.tuple.source, default: []].insert(generation) }
        }
        return marks
    }
}
