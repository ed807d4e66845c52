import DomainNames
import NetworkTypes
import PolicyEngine

/// The live flows of all endpoints: under which name, rule and policy version each was admitted, and what it has sent.
///
/// ```
/// verdict thread -> FlowRecord -> FlowFact -- decided ----+
/// conntrack events: new, destroy ------------ seen, ended +--> handle(event, now) -> actions
/// conntrack dump: start, losses, every 60 s - swept ------+
/// ```
/// Verdict and connection tracking tell their halves in any order, and either may be lost; a flow is complete when both have. Who the flow is
/// they agree on by its FlowKey. What is missing is found so:
///
/// - a flow that no verdict tells of was admitted by the kernel's lease: it has the admission of the last flow of the same endpoint, address, protocol and port;
/// - a marked flow of which nothing is known is decided anew (`FlowAction.redecide`), at most `redecisionsPerSweepMax` for each sweep;
/// - an end that was lost is noticed by two complete sweeps that have not shown the flow, because entries may move during a walk;
/// - an admission that connection tracking never shows is forgotten after `confirmationSecondsMax`.
///
/// Bounded by `capacity`: flows beyond it are counted and enforced like others, but not told of; the addresses that they use stay in use
/// (`uses`), so that their names are kept. Records outlive the process (`FlowStore`). One owner; knows no clock.
public struct FlowTable: ~Copyable {
    public static let confirmationSecondsMax: UInt64 = 30
    public static let redecisionsPerSweepMax = 1_024
    /// A verdict's fact comes within a moment of the conntrack event; only then is it missed.
    static let factSecondsMax: UInt64 = 5
    /// How long an admission stands for later flows of the same kind: longer than any kernel lease.
    static let admissionSecondsMax: UInt64 = 60
    private static let missesMax: UInt8 = 2
    private static let beyondMax = 262_144

    private struct Kind: Hashable {
        let endpoint: EndpointID
        let address: IPAddress
        let transport: TransportProtocol
        let port: UInt16
    }

    private struct Admitted {
        var admission: FlowAdmission
        var time: Instant
    }

    public let capacity: Int
    public private(set) var counters = FlowTableCounters()
    /// Which addresses are in use, by live flows and by those just admitted.
    public private(set) var uses = FlowUses()
    /// Which endpoints have as many flows as they may.
    public private(set) var cap: ConnectionCap
    private let store: FlowStore
    private var flows: [TrackedFlow?] = []
    private var places: [FlowKey: Int] = [:]
    private var freePlaces: [Int] = []
    private var admissions: [Kind: Admitted] = [:]
    /// What flows that are retold were admitted under before, by place; none for one of whose verdict nothing was known.
    private var earlier: [Int: FlowAdmission] = [:]
    private var deniedCount = 0
    /// Of the sweep that runs, or ran last.
    private var sweep: UInt64 = 0
    private var isSweeping = false
    /// What flows without room use that this sweep has shown, or that came since.
    private var beyondNow: Set<FlowUses.Pair> = []
    /// The same of the last complete sweep and since: entries may move during a walk, so that one sweep that does not show a flow does not end it.
    private var beyondBefore: Set<FlowUses.Pair> = []
    private var isLastComplete = true

    /// Bytes of memory for this many flows.
    public static func byteCount(capacity: Int) -> Int { FlowStore.byteCount(capacity: capacity) }

    /// A table in mapped memory of `byteCount(capacity:)` bytes, with the flows that the process before has left there.
    ///
    /// - Parameter bootMark: tells boots apart; flows of another boot are gone.
    /// - Parameter connectionsPerEndpoint: beyond which an endpoint is capped (`cap`); 0: never.
    public init(_ memory: SharedMemory, capacity: Int, bootMark: UInt64, connectionsPerEndpoint: Int = 0) {
        self.capacity = capacity
        cap = ConnectionCap(limit: connectionsPerEndpoint)
        store = FlowStore(memory, capacity: capacity, bootMark: bootMark)
        for record in 0..<store.usedCount {
            guard let flow = store.flow(record), places[flow.key] == nil else {
                store.free(record)
                flows.append(nil)
                freePlaces.append(record)
                continue
            }
            flows.append(flow)
            places[flow.key] = record
            count(flow.state, flow, by: 1)
            cap.add(flow.endpoint)
            counters.recovered += 1
        }
    }

    /// Flows that the table knows, in any state.
    public var flowCount: Int { places.count }

    /// Flows that connection tracking has shown and that are not refused.
    public var liveCount: Int { places.count - deniedCount - admittedCount }
    private var admittedCount = 0

    /// Whether a flow of the client uses the address, or has just been admitted. O(1).
    public func isInUse(_ client: EndpointID, _ address: IPAddress) -> Bool { uses.contains(client, address) }

    public func flow(_ key: FlowKey) -> TrackedFlow? { places[key].flatMap { flows[$0] } }

    /// Every flow, in no order.
    public var all: [TrackedFlow] { flows.compactMap { $0 } }

    /// Takes an event in and gives what is to be done. Total; O(1), but for the end of a sweep, which looks at every flow.
    public mutating func handle(_ event: FlowEvent, now: Instant) -> [FlowAction] {
        switch event {
        case .decided(let fact): return decided(fact, now: now)
        case .seen(let sight): return seen(sight, now: now)
        case .swept(let sight):
            // What belongs to a sweep that was broken off.
            guard isSweeping else { return [] }
            return seen(sight, now: now)
        case .ended(let sight): return ended(sight, now: now)
        case .sweepBegan:
            sweep += 1
            isSweeping = true
            // What came since a sweep that was broken off is not all there is.
            if isLastComplete {
                beyondBefore = beyondNow
            } else if beyondBefore.count < Self.beyondMax {
                beyondBefore.formUnion(beyondNow)
            }
            isLastComplete = false
            beyondNow = []
            cap.sweepBegan()
            return []
        case .sweepEnded(let isComplete):
            let wasSweeping = isSweeping
            isSweeping = false
            return isComplete && wasSweeping ? settle(now: now) : []
        }
    }

    // MARK: Verdicts

    private mutating func decided(_ fact: FlowFact, now: Instant) -> [FlowAction] {
        if fact.isAllowed { note(fact, now: now) }
        guard let key = FlowKey(fact.flow) else { return [] }
        if let place = places[key], var flow = flows[place] {
            // The address has another owner by now.
            guard flow.endpoint == fact.admission.endpoint else {
                let actions = end(place, flow, now: now)
                if fact.isAllowed { insert(admitted(key, fact.admission, fact.time)) }
                return actions
            }
            if fact.isAllowed {
                // A first packet that is not that of the entry shown: of another flow, maybe, that has taken its ends.
                let isTold = flow.isTold || fact.time.nanoseconds(since: flow.start) > Self.factSecondsMax * 1_000_000_000
                if !fact.isRedecision, flow.id != 0, isTold, !flow.isRetold {
                    flow.isRetold = true
                    earlier[place] = flow.admission
                }
                flow.isTold = true
                let isNew = flow.admission != fact.admission
                flow.admission = fact.admission
                // It is refused no more, or what was asked is answered.
                if flow.state == .denied || flow.mark == .asked { flow.mark = .admitted }
                let state = flow.state == .denied ? (flow.id == 0 ? .admitted : .live) : flow.state
                change(place, &flow, to: state)
                if isNew || flow.isRetold { keep(place, flow) }
            } else if fact.isRedecision {
                flow.mark = .denied
                change(place, &flow, to: .denied)
            }
            return []
        }
        if fact.isAllowed { insert(admitted(key, fact.admission, fact.time)) }
        return []
    }

    private func admitted(_ key: FlowKey, _ admission: FlowAdmission, _ time: Instant) -> TrackedFlow {
        TrackedFlow(
            key: key, state: .admitted, originalDestination: key.destination, originalDestinationPort: key.destinationPort, id: 0,
            endpoint: admission.endpoint, admission: admission, traffic: .zero, start: time, end: nil, mark: .admitted,
            isRecovered: false, sweep: sweep, missedSweeps: 0, isTold: true)
    }

    /// For flows of the same kind of which no verdict will tell.
    private mutating func note(_ fact: FlowFact, now: Instant) {
        let kind = Kind(
            endpoint: fact.admission.endpoint, address: fact.flow.destination, transport: fact.flow.transport,
            port: fact.flow.transport.hasPorts ? fact.flow.destinationPort : 0)
        if admissions[kind] == nil, admissions.count >= capacity {
            forgetAdmissions(now: now)
            guard admissions.count < capacity else { return }
        }
        admissions[kind] = Admitted(admission: fact.admission, time: fact.time)
    }

    private mutating func forgetAdmissions(now: Instant) {
        admissions = admissions.filter { now.nanoseconds(since: $0.value.time) < Self.admissionSecondsMax * 1_000_000_000 }
    }

    private func admission(like key: FlowKey, _ endpoint: EndpointID, now: Instant) -> FlowAdmission? {
        let kind = Kind(
            endpoint: endpoint, address: key.destination, transport: key.transport, port: key.transport.hasPorts ? key.destinationPort : 0)
        guard let found = admissions[kind], now.nanoseconds(since: found.time) < Self.admissionSecondsMax * 1_000_000_000 else {
            return nil
        }
        return found.admission
    }

    // MARK: Connection tracking

    private mutating func seen(_ sight: FlowSight, now: Instant) -> [FlowAction] {
        var actions: [FlowAction] = []
        var told: FlowAdmission?
        if let place = places[sight.key], var flow = flows[place] {
            let isSame = (flow.id == sight.id || flow.id == 0) && (sight.endpoint == nil || sight.endpoint == flow.endpoint)
            if isSame {
                update(place, &flow, sight)
                return []
            }
            // Two entries whose ends are the same, behind different addresses: the one that was shown first stands for both.
            if isSweeping, flow.sweep == sweep { return [] }
            // What was never decided may be the same flow in another zone. If it has taken the flow's place instead, two sweeps miss the flow.
            if sight.mark == .none { return [] }
            if flow.isRetold, flow.endpoint == sight.endpoint { told = flow.admission }
            actions = end(place, flow, now: now)
        }
        // What was never decided is not ours, and what belongs to nobody is no endpoint's.
        guard let endpoint = sight.endpoint, sight.mark != .none else { return actions }
        let isDenied = sight.mark == .denied
        counters.began += 1
        insert(
            TrackedFlow(
                key: sight.key, state: isDenied ? .denied : .live, originalDestination: sight.originalDestination,
                originalDestinationPort: sight.originalDestinationPort, id: sight.id, endpoint: endpoint,
                admission: told ?? admission(like: sight.key, endpoint, now: now), traffic: sight.count ?? .zero, start: sight.start ?? now,
                end: nil, mark: sight.mark, isRecovered: false, sweep: sweep, missedSweeps: 0, isTold: told != nil))
        if let count = sight.count { counters.traffic.add(count, since: .zero) }
        return actions
    }

    private mutating func update(_ place: Int, _ flow: inout TrackedFlow, _ sight: FlowSight) {
        let isShown = flow.id == 0
        if isShown {
            flow.id = sight.id
            flow.originalDestination = sight.originalDestination
            flow.originalDestinationPort = sight.originalDestinationPort
            counters.began += 1
        }
        note(sight.count, of: &flow)
        flow.sweep = sweep
        flow.missedSweeps = 0
        let wasRetold = flow.isRetold
        if wasRetold {
            // The same entry after all.
            flow.isRetold = false
            earlier[place] = nil
        }
        flow.mark = sight.mark
        let state: TrackedFlow.State =
            switch sight.mark {
            case .denied: .denied
            // To be decided again: its refusal is not in force, and until then it may pass by what it was admitted under.
            case .admitted, .pending, .asked: .live
            case .none: flow.state == .denied ? .denied : .live
            }
        change(place, &flow, to: state)
        if isShown || wasRetold { keep(place, flow) }
    }

    private mutating func note(_ count: FlowTraffic?, of flow: inout TrackedFlow) {
        guard let count else { return }
        if !flow.isRecovered { counters.traffic.add(count, since: flow.traffic) }
        flow.isRecovered = false
        flow.traffic = count
    }

    private mutating func ended(_ sight: FlowSight, now: Instant) -> [FlowAction] {
        guard let place = places[sight.key], var flow = flows[place] else {
            if let endpoint = sight.endpoint, sight.mark != .none { cap.removeBeyond(endpoint) }
            return []
        }
        guard flow.id == sight.id || flow.id == 0 else { return [] }
        note(sight.count, of: &flow)
        let actions = end(place, flow, now: now)
        // The next entry with the same ends has not been shown yet.
        if flow.isRetold, flow.state != .denied, let admission = flow.admission { insert(admitted(flow.key, admission, now)) }
        return actions
    }

    // MARK: Sweeps

    /// After a complete sweep.
    private mutating func settle(now: Instant) -> [FlowAction] {
        counters.sweeps += 1
        isLastComplete = true
        uses.beyond = beyondNow.union(beyondBefore)
        cap.sweepEnded()
        // What flows without room used that one sweep has not shown, the process before knew.
        uses.isUnknown = uses.beyond.count >= Self.beyondMax || counters.sweeps < 2
        forgetAdmissions(now: now)
        var actions: [FlowAction] = []
        var redecisions = 0
        for place in flows.indices {
            guard var flow = flows[place] else { continue }
            let age = now.nanoseconds(since: flow.start)
            if flow.state == .admitted {
                guard age > Self.confirmationSecondsMax * 1_000_000_000 else { continue }
                remove(place, flow)
                counters.unconfirmed += 1
            } else if flow.sweep < sweep {
                flow.missedSweeps += 1
                flows[place] = flow
                if flow.missedSweeps >= Self.missesMax { actions += end(place, flow, now: now) }
            } else if flow.admission == nil, flow.state == .live, flow.mark == .admitted, age > Self.factSecondsMax * 1_000_000_000,
                redecisions < Self.redecisionsPerSweepMax
            {
                redecisions += 1
                counters.redecided += 1
                actions.append(.redecide(flow))
            }
        }
        return actions
    }

    // MARK: Places

    private mutating func insert(_ flow: TrackedFlow) {
        guard flows.count < capacity || !freePlaces.isEmpty else {
            counters.full += 1
            // Once: not when its verdict is told.
            if flow.id != 0 { cap.addBeyond(flow.endpoint) }
            if flow.state != .denied, beyondNow.count < Self.beyondMax {
                // Until the next sweep shows all of them.
                beyondNow.insert(FlowUses.Pair(client: flow.endpoint, address: flow.key.destination))
                uses.beyond.insert(FlowUses.Pair(client: flow.endpoint, address: flow.key.destination))
            }
            if uses.beyond.count >= Self.beyondMax { uses.isUnknown = true }
            return
        }
        let place: Int
        if let free = freePlaces.popLast() {
            place = free
            flows[free] = flow
        } else {
            place = flows.count
            flows.append(flow)
        }
        places[flow.key] = place
        count(flow.state, flow, by: 1)
        cap.add(flow.endpoint)
        keep(place, flow)
    }

    private mutating func keep(_ place: Int, _ flow: TrackedFlow) {
        var flow = flow
        if flow.isRetold {
            // To the next process it is whatever entry is shown first.
            flow.id = 0
            flow.state = .admitted
        }
        if !store.write(place, flow) { counters.unkept += 1 }
    }

    private mutating func change(_ place: Int, _ flow: inout TrackedFlow, to state: TrackedFlow.State) {
        if flow.state != state {
            count(flow.state, flow, by: -1)
            flow.state = state
            count(state, flow, by: 1)
            store.setState(place, state)
        }
        flows[place] = flow
    }

    private mutating func count(_ state: TrackedFlow.State, _ flow: TrackedFlow, by step: Int) {
        switch state {
        case .denied:
            deniedCount += step
            return
        case .admitted: admittedCount += step
        case .live: break
        }
        if step > 0 { uses.add(flow.endpoint, flow.key.destination) } else { uses.remove(flow.endpoint, flow.key.destination) }
    }

    private mutating func remove(_ place: Int, _ flow: TrackedFlow) {
        count(flow.state, flow, by: -1)
        cap.remove(flow.endpoint)
        places[flow.key] = nil
        flows[place] = nil
        if flow.isRetold { earlier[place] = nil }
        freePlaces.append(place)
        store.free(place)
    }

    private mutating func end(_ place: Int, _ flow: TrackedFlow, now: Instant) -> [FlowAction] {
        var flow = flow
        if flow.isRetold { flow.admission = earlier[place] }
        remove(place, flow)
        counters.ended += 1
        flow.end = now
        return [.ended(flow)]
    }
}
