import Enforcement
import NetworkTypes
import PolicyEngine
import PolicyModel

extension Simulation {
    mutating func openFlow() throws(Failure) {
        guard let client = randomEndpoint() else { return }
        let target = random.chance(10) ? (randomEndpoint()?.addresses[0] ?? universe.addresses[0]) : random.pick(universe.addresses)
        try connect(client, to: target)
    }

    /// The first packet of a new flow.
    mutating func connect(_ client: WorkloadEndpoint, to address: IPAddress) throws(Failure) {
        coverage.note(.newFlows)
        let source = client.addresses.first { $0.family == address.family } ?? client.addresses[0]
        let tuple = FlowTuple(
            source: source, destination: address, transport: random.pick([.tcp, .tcp, .udp]),
            sourcePort: UInt16.random(in: 1_024...60_000, using: &random), destinationPort: random.pick([80, 443, 8_080]))
        try send(tuple, isReply: false)
        if kernel.flows.count > 160 { kernel.end(0) }
    }

    /// One client dials everything at once.
    mutating func flood() throws(Failure) {
        guard let client = randomEndpoint() else { return }
        for _ in 0..<100 { try connect(client, to: random.pick(universe.addresses)) }
    }

    /// A later packet of a flow, from either side.
    mutating func continueFlow() throws(Failure) {
        guard !kernel.flows.isEmpty else { return }
        let flow = random.pick(kernel.flows)
        try send(flow.tuple, isReply: random.chance(40))
    }

    mutating func closeFlow() throws(Failure) {
        if !kernel.flows.isEmpty { kernel.end(Int.random(in: 0..<kernel.flows.count, using: &random)) }
        if random.chance(50) { try sweep() }
    }

    /// A packet that is no packet, of whomever: it is denied.
    mutating func sendUnreadable() throws(Failure) {
        coverage.note(.unreadablePackets)
        guard let client = randomEndpoint() else { return }
        let tuple = FlowTuple(
            source: client.addresses[0], destination: universe.addresses[0], transport: .tcp, sourcePort: 1_024, destinationPort: 443)
        let whole = PacketBuilder.packet(tuple)
        let cut = Array(whole.prefix(Int.random(in: 0..<whole.count, using: &random)))
        let state = VerdictEngine.FlowState(isReply: random.chance(20), wasAdmitted: random.chance(20))
        var (verdict, record, _) = daemon.decide(cut, state, now: now)
        if fault == .passesUnreadable { verdict = .allow(generation: 1) }
        let isRefused =
            switch verdict {
            case .allow, .lease, .hold, .pending, .observe, .checked: false
            case .reject, .drop, .revoke: true
            }
        guard isRefused, let record, !record.reason.isAllowed else { throw failed(.reasons, "\(cut.count) bytes of a packet: \(verdict)") }
    }

    // MARK: The kernel

    /// A packet comes to the table, for the first time or because its verdict was stale (`flight`).
    mutating func send(_ tuple: FlowTuple, isReply: Bool, after flight: Flight? = nil) throws(Failure) {
        let place = kernel.place(tuple)
        // An answer to a flow that is gone is nobody's egress.
        guard place != nil || !isReply else { return }
        var mark = flight?.mark ?? .none
        if let place { mark = kernel.flows[place].mark }
        let owner = self.owner(tuple.source)
        switch kernel.judge(tuple, mark, isNew: place == nil && flight?.isAnew != true, isReply: isReply, now: now) {
        case .dropped:
            coverage.note(.unknownSources)
            guard owner == nil else { throw failed(.reasons, "\(tuple.source) is that of an endpoint, and dropped as unknown") }
        case .returned:
            guard let owner, model.inForce.endpoints.count > 0 else { return }
            coverage.note(.unpolicedFlows)
            guard model.decideInForce(owner, tuple, wasAdmitted: false) else {
                throw failed(.policyOrder, "\(owner.identity) is decided by nobody: \(tuple)")
            }
            pass(tuple, mark, owner.identity, isReply: isReply, nil)
        case .accepted:
            try checkAccepted(tuple, place, owner, flight)
            pass(tuple, mark, owner?.identity ?? "", isReply: isReply, flight)
        case .leased(let lease):
            try checkLeased(tuple, lease, owner)
            coverage.note(.flowsByLease)
            let place = kernel.confirm(tuple, .generation(lease.generation), client: owner?.identity ?? "", now: now)
            kernel.flows[place].admission = lease.admission
            kernel.flows[place].endpoint = lease.admission?.endpoint
            // Its kind's last verdict may be told of later, by another process, or not at all.
            kernel.flows[place].isLeased = true
            kernel.tellOfBeginning(place)
        case .denied:
            coverage.note(.packetsOfRevokedFlows)
            guard let place else { return }
            let flow = kernel.flows[place]
            let isSettled = !isChanging && daemon.settlesAt == nil
            guard flow.tuple.transport == .tcp || !isSettled || flow.deniedUnder == kernel.current[tuple.source] else {
                throw failed(.liveFlows, "refused under generation \(flow.deniedUnder ?? 0), and not decided again: \(tuple)")
            }
        case .queued(let wasAdmitted):
            try ask(tuple, isReply: isReply, mark, place, wasAdmitted: wasAdmitted)
        }
    }

    private mutating func pass(_ tuple: FlowTuple, _ mark: SimulatedKernel.Mark, _ client: String, isReply: Bool, _ flight: Flight?) {
        if let place = kernel.place(tuple) {
            if let flight { note(flight, place) }
            kernel.flows[place].count(isReply: isReply)
        } else if !isReply {
            let place = kernel.confirm(tuple, mark, client: client, now: now)
            if let flight { note(flight, place) }
            kernel.flows[place].count(isReply: false)
            kernel.tellOfBeginning(place)
        }
    }

    /// Under what the flow was admitted, as the FlowTable is told in the order of decisions, unless a later verdict was faster.
    private mutating func note(_ flight: Flight, _ place: Int) {
        guard flight.number > kernel.flows[place].decision else { return }
        kernel.flows[place].decision = flight.number
        kernel.flows[place].endpoint = flight.admission?.endpoint
        kernel.flows[place].admission = flight.admission
        kernel.flows[place].isLeased = false
        kernel.flows[place].isUncertain = flight.isFactLost
    }

    /// 6 and 11: a mark that is current stands for a decision of today, for the endpoint that has the address.
    private func checkAccepted(_ tuple: FlowTuple, _ place: Int?, _ owner: WorkloadEndpoint?, _ flight: Flight?) throws(Failure) {
        guard let owner else { throw failed(.bindingsOfOneClient, "\(tuple) of nobody is accepted") }
        let client = place.map { kernel.flows[$0].client } ?? flight?.client
        if let client, client != owner.identity {
            throw failed(.bindingsOfOneClient, "a flow of \(client) goes on as one of \(owner.identity): \(tuple)")
        }
        let key = ReferenceModel.ClientAddress(client: owner.identity, address: tuple.destination)
        guard !lost.contains(key) else { return }
        guard daemon.gatePolicy.endpoints.contains(where: { $0.identity == owner.identity }) else { return }
        guard model.decideInForce(owner, tuple, wasAdmitted: true) else {
            throw failed(.currentGeneration, "a mark that is current stands for a decision of today: \(tuple)")
        }
    }

    /// A kernel lease speaks for the policy in force and for a binding that lives.
    private func checkLeased(_ tuple: FlowTuple, _ lease: SimulatedKernel.Lease, _ owner: WorkloadEndpoint?) throws(Failure) {
        guard let owner, lease.client == owner.identity else {
            throw failed(.bindingsOfOneClient, "a lease of \(lease.client) lets \(owner?.identity ?? "nobody") pass: \(tuple)")
        }
        guard fault == .reusesLeasedGenerations || lease.generation == kernel.current[tuple.source] else {
            throw failed(.currentGeneration, "a lease of generation \(lease.generation) counts: \(tuple)")
        }
        guard daemon.gatePolicy.endpoints.contains(where: { $0.identity == owner.identity }) else { return }
        let key = ReferenceModel.ClientAddress(client: owner.identity, address: tuple.destination)
        let isExcused = endedEarly[key].map { now.nanoseconds(since: $0) <= LeaseBudget.leaseSeconds * 1_000_000_000 } ?? false
        guard isExcused || model.decideInForce(owner, tuple, wasAdmitted: false) else {
            throw failed(.functionOfInputs, "a lease outlives what it was given for: \(tuple)")
        }
    }

    // MARK: The daemon

    private mutating func ask(
        _ tuple: FlowTuple, isReply: Bool, _ mark: SimulatedKernel.Mark, _ place: Int?, wasAdmitted: Bool
    ) throws(Failure) {
        let onWire =
            isReply
            ? FlowTuple(
                source: tuple.destination, destination: tuple.source, transport: tuple.transport, sourcePort: tuple.destinationPort,
                destinationPort: tuple.sourcePort)
            : tuple
        let packet = PacketBuilder.packet(onWire, tcpFlags: place == nil ? 0x02 : 0x10)
        let state = VerdictEngine.FlowState(isReply: isReply, wasAdmitted: wasAdmitted)
        let (verdict, record, fact) = daemon.decide(packet, state, now: now)
        guard let record else { throw failed(.reasons, "a verdict without a record: \(tuple)") }
        let client = model.resources.endpoints.first { $0.addresses.contains(tuple.source) }
        let expected = client.map { model.decide($0, tuple, wasAdmitted: wasAdmitted) } ?? (isAllowed: false, byName: false)
        if wasAdmitted { coverage.note(.redecisions) }
        try compare(verdict, record, fact, client, tuple, expected, wasAdmitted: wasAdmitted)
        if expected.isAllowed, expected.byName, let client {
            if wasAdmitted, model.names(client.identity, tuple.destination, wasAdmitted: false).isEmpty {
                coverage.note(.redecidedByDrainingName)
            }
            model.noteAdmission(client.identity, tuple.destination)
            coverage.note(.allowedByName)
        }
        var generation: UInt16 = 0
        if let client, let endpoint = daemon.published.current.endpoints.first(where: { $0.identity == client.identity }) {
            generation = endpoint.generation
        }
        decisions += 1
        var flight = Flight(
            number: decisions, tuple: tuple, isReply: isReply, entry: place.map { kernel.flows[$0].id }, mark: mark, verdict: verdict,
            admission: fact?.admission, client: client?.identity ?? "", generation: generation,
            deadline: now.advanced(byNanoseconds: 250_000_000))
        if var fact, fact.isAllowed || fact.isRedecision {
            if random.chance(3) {
                coverage.note(.lostFacts)
                flight.isFactLost = true
            } else {
                if fault == .mixesAdmissions { fact = mixed(fact) }
                pendingFacts.append(fact)
            }
        }
        if random.chance(15) {
            coverage.note(.verdictsInFlight)
            flights.append(flight)
        } else {
            try land(flight)
        }
    }

    private func mixed(_ fact: FlowFact) -> FlowFact {
        FlowFact(
            time: fact.time, flow: fact.flow, isAllowed: fact.isAllowed, isRedecision: fact.isRedecision,
            admission: FlowAdmission(
                endpoint: fact.admission.endpoint, name: universe.names[0], rule: fact.admission.rule, reason: fact.admission.reason,
                policyVersion: fact.admission.policyVersion))
    }

    /// The verdict against the reference model.
    private func compare(
        _ verdict: VerdictEngine.Verdict, _ record: FlowRecord, _ fact: FlowFact?, _ client: WorkloadEndpoint?, _ tuple: FlowTuple,
        _ expected: (isAllowed: Bool, byName: Bool), wasAdmitted: Bool
    ) throws(Failure) {
        switch verdict {
        case .allow, .lease:
            guard record.reason.isAllowed else { throw failed(.reasons, "allowed as \(record.reason)") }
            guard expected.isAllowed else {
                throw failed(
                    blame(allowed: record, client, tuple), "allowed \(tuple) of \(client?.identity ?? "nobody"), rule \(record.rule)")
            }
            // Its name is one that the client has resolved to that address.
            if let client, let name = fact?.admission.name {
                let binding = ReferenceModel.Binding(client: client.identity, name: name, address: tuple.destination)
                guard everLearned.contains(binding) else { throw failed(.bindingsOfOneClient, "\(binding) was never learned") }
            }
        // The engine of a simulation waits for nothing and looks for no names.
        case .hold, .pending, .observe, .checked: throw failed(.reasons, "\(verdict)")
        case .reject, .drop, .revoke:
            guard !expected.isAllowed else {
                throw failed(
                    blame(refused: expected.byName, client, tuple, wasAdmitted: wasAdmitted),
                    "refused \(tuple) of \(client?.identity ?? "nobody"): \(record.reason.label)")
            }
            let isWithout =
                fault == .refusesWithoutReason || record.reason.isAllowed || (client == nil && record.reason != .unknownEndpoint)
            guard !isWithout else { throw failed(.reasons, "refused as \(record.reason)") }
        }
    }

    /// Which invariant a wrong admission breaks.
    private func blame(allowed record: FlowRecord, _ client: WorkloadEndpoint?, _ tuple: FlowTuple) -> SimulationInvariant {
        guard record.nameRecord >= 0, let client else { return .policyOrder }
        let ofClient = model.expiries.keys.filter { $0.client == client.identity && $0.address == tuple.destination }
        if ofClient.isEmpty { return .bindingsOfOneClient }
        return ofClient.contains { model.counts($0, wasAdmitted: false) } ? .policyOrder : .functionOfInputs
    }

    /// Which invariant a wrong refusal breaks.
    private func blame(refused byName: Bool, _ client: WorkloadEndpoint?, _ tuple: FlowTuple, wasAdmitted: Bool) -> SimulationInvariant {
        guard byName, let client else { return .policyOrder }
        let id = daemon.published.current.endpoints.first { $0.identity == client.identity }?.id
        let isHeld = id.map {
            daemon.table.isBound(
                $0, to: tuple.destination, number: anyName, now: now, liveness: wasAdmitted ? .liveOrDraining : .live)
        }
        if isHeld == true { return .policyOrder }
        return wasAdmitted ? .liveFlows : .publishBeforeRelease
    }

    /// The verdict reaches the kernel: the chain `stamp`.
    mutating func land(_ flight: Flight) throws(Failure) {
        let place = kernel.place(flight.tuple)
        // Its entry has gone meanwhile, or another packet has made it.
        guard place.map({ kernel.flows[$0].id }) == flight.entry else { return }
        guard let verdict = flight.verdict else { return try send(flight.tuple, isReply: flight.isReply, after: flight) }
        switch verdict {
        case .reject, .drop, .hold, .pending, .observe, .checked: coverage.note(.denied)
        case .revoke:
            coverage.note(.denied)
            guard let place else { return }
            coverage.note(.revocations)
            kernel.flows[place].mark = .denied
            kernel.flows[place].deniedUnder = flight.generation
            kernel.flows[place].wasRevoked = true
        case .allow(let generation): try stamp(flight, place, generation, asksForLease: false)
        case .lease(let generation): try stamp(flight, place, generation, asksForLease: true)
        }
    }

    private mutating func stamp(_ flight: Flight, _ given: Int?, _ generation: UInt16, asksForLease: Bool) throws(Failure) {
        if let given {
            // Of two verdicts under way the one that comes last is borne, whichever was decided first.
            kernel.flows[given].mark = .generation(generation)
            kernel.flows[given].client = flight.client
            note(flight, given)
        }
        guard kernel.isCurrent(flight.tuple, generation) || fault == .stampsStaleVerdicts else {
            coverage.note(.staleStamps)
            // Back to the queue; while a policy is on its way, for as long as that takes.
            var again = flight
            again.verdict = nil
            // Of an address that is not policed any more the mark goes, and of a flow that no packet has confirmed.
            again.isAnew = given == nil
            again.mark = given == nil || kernel.current[flight.tuple.source] == nil ? .none : .generation(generation)
            if let given { kernel.flows[given].mark = again.mark }
            if isChanging { return flights.append(again) }
            return try send(flight.tuple, isReply: flight.isReply, after: again)
        }
        guard kernel.isCurrent(flight.tuple, generation) else {
            throw failed(.currentGeneration, "a packet passes with a stamp that is not current: \(flight.tuple)")
        }
        guard self.owner(flight.tuple.source)?.identity == flight.client else {
            throw failed(.bindingsOfOneClient, "a verdict for \(flight.client) is stamped: \(flight.tuple)")
        }
        let place = given ?? kernel.confirm(flight.tuple, .generation(generation), client: flight.client, now: now)
        note(flight, place)
        kernel.flows[place].deniedUnder = nil
        kernel.flows[place].count(isReply: flight.isReply)
        if given == nil { kernel.tellOfBeginning(place) }
        guard asksForLease else { return }
        coverage.note(.kernelLeases)
        let lease = SimulatedKernel.Lease(
            generation: generation, end: now.advanced(bySeconds: kernel.leaseSeconds), admission: flight.admission, client: flight.client)
        if !kernel.add(lease, flight.tuple, now: now) { coverage.note(.leasesRefused) }
        // 7: of one endpoint at most the budget of the windows that a lease, and a verdict on its way, can touch.
        let held = kernel.leases.values.count { $0.client == flight.client && $0.end > now }
        guard held <= 3 * SimulatedDaemon.leaseBudget || fault == .leasesOutliveBindings else {
            throw failed(.bounded, "\(held) kernel leases of \(flight.client)")
        }
    }
}
