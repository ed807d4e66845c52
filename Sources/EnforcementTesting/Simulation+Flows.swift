import Enforcement
import NetworkTypes
import PolicyEngine

extension Simulation {
    // MARK: What the FlowTable hears

    /// Verdicts and events reach the FlowTable, in either order; some events may be lost.
    mutating func deliver() throws(Failure) {
        let facts = pendingFacts
        let events = kernel.events
        pendingFacts = []
        kernel.events = []
        let eventsFirst = random.chance(20)
        if !eventsFirst { for fact in facts { try handle(.decided(fact)) } }
        for event in events {
            if hasLostEvents || random.chance(2) {
                coverage.note(.lostEvents)
                hasLostEvents = true
            }
            switch event {
            case .began(let flow):
                if flow.isLeased, eventsFirst || hasLostEvents, let place = kernel.place(flow.tuple) {
                    kernel.flows[place].isUncertain = true
                }
                if !hasLostEvents { try handle(.seen(sight(flow))) }
            case .ended(let flow):
                if !hasLostEvents, fault != .ignoresEnds { try handle(.ended(sight(flow)), ending: flow) }
            }
        }
        if eventsFirst { for fact in facts { try handle(.decided(fact)) } }
    }

    private mutating func handle(_ event: FlowEvent, ending gone: SimulatedKernel.Flow? = nil) throws(Failure) {
        switch event {
        case .seen(let sight), .swept(let sight): noteOwner(told: sight)
        case .decided, .ended, .sweepBegan, .sweepEnded: break
        }
        for action in daemon.flows.handle(event, now: now) {
            switch action {
            case .ended(let flow):
                // 6: its end tells what it has sent.
                guard let gone, flow.id == gone.id, flow.traffic != gone.traffic else { continue }
                throw failed(.liveFlows, "a flow ended with \(flow.traffic), and has sent \(gone.traffic)")
            case .redecide(let flow):
                guard let place = kernel.place(Self.tuple(flow.key)) else { continue }
                coverage.note(.flowsAskedAgain)
                kernel.flows[place].mark = .asked
                kernel.flows[place].deniedUnder = nil
            }
        }
        guard daemon.flows.flowCount <= flowsMax else { throw failed(.bounded, "\(daemon.flows.flowCount) flows in the table") }
    }

    /// Told that its address is another endpoint's, the table ends what it knew of a flow: until the next verdict it is known under nothing.
    private mutating func noteOwner(told sight: FlowSight) {
        guard let owner = sight.endpoint, let place = kernel.place(Self.tuple(sight.key)), kernel.flows[place].id == sight.id,
            kernel.flows[place].endpoint != owner
        else { return }
        kernel.flows[place].isUncertain = true
    }

    private func sight(_ flow: SimulatedKernel.Flow) -> FlowSight {
        let mark: FlowSight.Mark =
            switch flow.mark {
            case .none: .none
            case .generation: .admitted
            case .asked: .asked
            case .denied: .denied
            }
        let policy = daemon.published.current
        return FlowSight(
            key: Self.key(flow.tuple), originalDestination: flow.tuple.destination, originalDestinationPort: flow.tuple.destinationPort,
            id: flow.id, mark: mark, endpoint: policy.endpointIndex(of: flow.tuple.source).map { policy.programs[$0].id },
            count: flow.traffic, start: flow.start)
    }

    private static func tuple(_ key: FlowKey) -> FlowTuple {
        FlowTuple(
            source: key.source, destination: key.destination, transport: key.transport, sourcePort: key.sourcePort,
            destinationPort: key.destinationPort)
    }

    static func key(_ tuple: FlowTuple) -> FlowKey {
        FlowKey(
            source: tuple.source, destination: tuple.destination, transport: tuple.transport, sourcePort: tuple.sourcePort,
            destinationPort: tuple.destinationPort)
    }

    // MARK: Sweeps

    /// A walk over conntrack: it may break off, and entries that move meanwhile may not be shown. Then what drains for no flow goes.
    mutating func sweep(isWhole: Bool = false) throws(Failure) {
        try deliver()
        let isComplete = isWhole || random.chance(90)
        coverage.note(isComplete ? .sweeps : .brokenSweeps)
        daemon.gate.tick(now: now)
        try settleAllBounds()
        try handle(.sweepBegan)
        let shown = isComplete ? kernel.flows.count : kernel.flows.count / 2
        for place in 0..<shown where fault != .sweepsSeeNothing {
            let isMissed = !isWhole && !kernel.flows[place].wasMissed && random.chance(3)
            if isComplete { kernel.flows[place].wasMissed = isMissed }
            if isMissed, daemon.flows.flow(Self.key(kernel.flows[place].tuple))?.state == .admitted {
                // Never shown, it may be taken for one that was not sent on.
                kernel.flows[place].isUncertain = true
            }
            if !isMissed { try handle(.swept(sight(kernel.flows[place]))) }
        }
        if fault == .ignoresEnds { try showEnded() }
        try handle(.sweepEnded(isComplete: isComplete))
        guard isComplete else {
            nextSweep = now.advanced(bySeconds: 2)
            return
        }
        hasLostEvents = false
        nextSweep = now.advanced(bySeconds: 60)
        try checkTable()
        let uses = daemon.flows.uses
        daemon.gate.releaseDraining(sweepBegan: now) { uses.contains($0, $1) }
        let ids = Dictionary(daemon.gatePolicy.endpoints.map { ($0.identity, $0.id) }, uniquingKeysWith: { first, _ in first })
        model.forgetEnded { identity, address in ids[identity].map { uses.contains($0, address) } ?? false }
        try settleAllBounds()
    }

    /// Ended flows, as though they were there.
    private mutating func showEnded() throws(Failure) {
        for flow in daemon.flows.all where flow.id != 0 {
            let sight = FlowSight(
                key: flow.key, originalDestination: flow.originalDestination, originalDestinationPort: flow.originalDestinationPort,
                id: flow.id, mark: .admitted, endpoint: flow.endpoint, count: nil, start: nil)
            try handle(.swept(sight))
        }
    }

    /// 6 and 7, after a complete sweep: the table knows every live flow and under what it was admitted, and no flow that is gone.
    private mutating func checkTable() throws(Failure) {
        let policy = daemon.published.current
        let table = daemon.flows.counters
        let onTheirWay = Set(flights.map(\.tuple))
        if table.full > 0 { coverage.note(.flowsBeyondTable) }
        for flow in kernel.flows where !flow.wasMissed {
            switch flow.mark {
            case .none, .denied: continue
            case .generation, .asked: break
            }
            guard let position = policy.endpointIndex(of: flow.tuple.source), policy.endpoints[position].identity == flow.client else {
                continue
            }
            let id = policy.programs[position].id
            if !flow.wasRevoked, !onTheirWay.contains(flow.tuple), !daemon.flows.isInUse(id, flow.tuple.destination) {
                throw failed(.liveFlows, "the address of a live flow is not in use: \(flow.tuple)")
            }
            guard let known = daemon.flows.flow(Self.key(flow.tuple)) else {
                guard isTableSmall else { throw failed(.liveFlows, "a live flow is not known: \(flow.tuple)") }
                continue
            }
            guard known.id == flow.id, !flow.isUncertain, !isTableSmall, flow.endpoint == id, !onTheirWay.contains(flow.tuple) else {
                continue
            }
            coverage.note(.admissionsChecked)
            // A flow by lease has the last admission of its kind that was told of, whichever that was.
            let isSame = known.admission?.name == flow.admission?.name && known.admission?.rule == flow.admission?.rule
            guard flow.isLeased || isSame else {
                throw failed(
                    .liveFlows,
                    "admitted under \(String(describing: flow.admission)), known under \(String(describing: known.admission)): \(flow.tuple)"
                )
            }
        }
        var gone: [FlowKey: Int] = [:]
        let ids = Set(kernel.flows.map(\.id))
        for flow in daemon.flows.all where flow.state != .admitted && !ids.contains(flow.id) {
            coverage.note(.endsChecked)
            let sweeps = sweepsSinceGone[flow.key, default: 0] + 1
            guard sweeps <= 2 else { throw failed(.bounded, "a flow that ended three sweeps ago is among the live ones: \(flow.key)") }
            gone[flow.key] = sweeps
        }
        sweepsSinceGone = gone
    }

    // MARK: Restarts

    /// Under which name and rule each flow is known that the kernel still has.
    func keptFlows() -> [FlowKey: FlowAdmission] {
        let ids = Set(kernel.flows.map(\.id))
        var kept: [FlowKey: FlowAdmission] = [:]
        for flow in daemon.flows.all where flow.state == .live && ids.contains(flow.id) { kept[flow.key] = flow.admission }
        return kept
    }

    /// 6: the next process knows the same of every live flow, but for records that were damaged.
    mutating func checkFlows(_ before: [FlowKey: FlowAdmission], torn: Int) throws(Failure) {
        var missing = 0
        for (key, admission) in before {
            let known = daemon.flows.flow(key)?.admission
            if known?.name == admission.name, known?.rule == admission.rule { continue }
            missing += 1
        }
        guard missing <= torn else { throw failed(.liveFlows, "a restart forgets \(missing) live flows of \(before.count)") }
        if torn > 0 {
            for place in kernel.flows.indices where daemon.flows.flow(Self.key(kernel.flows[place].tuple)) == nil {
                kernel.flows[place].isUncertain = true
            }
        }
    }
}
