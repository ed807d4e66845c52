import Enforcement
import NetworkTypes
import PolicyEngine
import PolicyModel

extension Simulation {
    /// The end of a process and a new one: only files and kernel are left. After a crash what was on its way is lost, or comes again.
    mutating func restart(reading resources: ResourceSet, isCrash: Bool) throws(Failure) {
        coverage.note(isCrash ? .crashes : .restarts)
        if !isCrash {
            while !flights.isEmpty { try land(flights.removeFirst()) }
            try sweep(isWhole: true)
            for _ in 0..<4 { daemon.gate.tick(now: now) }
        }
        try settleAllBounds()
        if isCrash { loseWhatWasOnItsWay() }
        // A process counts only its own sweeps.
        sweepsSinceGone = [:]
        let flowsBefore = keptFlows()
        var bindingsBefore = allBindings()
        let torn = isCrash && random.chance(40) ? tearRecords() : 0
        let currentBefore = kernel.current
        let isUnchanged = resources == model.inForce && resources == model.resources

        daemon = SimulatedDaemon(
            resources, files: files, limits: limits, flowsMax: flowsMax, kernel: kernel, seed: (seed, UInt64(step)),
            bootMark: fault == .losesBindingsAtRestart ? UInt64(step) + 2 : 1, now: now, fault: fault)
        model.resources = resources
        let identities = Set(resources.endpoints.map(\.identity))
        model.forgetClients(except: identities)
        coverage.note(.flowsRecovered, Int(daemon.flows.counters.recovered))
        // The table is installed anew: sets and kernel leases at once.
        kernel.purge(daemon.exhaustedAtStart)
        daemon.registry.notePurged()
        lastGenerations = lastGenerations.filter { identities.contains($0.key) }
        noteLost()
        commit(daemon.published.current, clearsLeases: true)
        forgive(Set(kernel.current.keys))
        if fault != .trustsEarlierFlows { kernel.askAgain() }

        bindingsBefore = bindingsBefore.filter { identities.contains($0.key.client) }
        try checkBindings(bindingsBefore, torn: torn)
        // Which bindings carried a flow is not written down: after a restart all of them may have.
        for binding in model.expiries.keys {
            model.unseenSweeps[binding] = nil
            model.firstAdmissions[ReferenceModel.ClientAddress(client: binding.client, address: binding.address)] = Instant(nanoseconds: 1)
        }
        model.carrying = []
        // 4: generations outlive the restart: flows of unchanged endpoints stay with the kernel.
        if isUnchanged, !isCrash || torn == 0 {
            guard kernel.current == currentBefore || fault == .keepsGeneration || hasDiedWithinChange else {
                throw failed(.functionOfInputs, "a restart changes generations: \(currentBefore) to \(kernel.current)")
            }
        }
        hasDiedWithinChange = false
        try checkFlows(flowsBefore, torn: torn)
        // What the dead process had read and not answered comes into its chain again.
        let again = flights
        flights = []
        for flight in again { try send(flight.tuple, isReply: flight.isReply) }
        try sweep()
    }

    private mutating func loseWhatWasOnItsWay() {
        for fact in pendingFacts {
            if let place = kernel.place(fact.flow) { kernel.flows[place].isUncertain = true }
        }
        pendingFacts = []
        for event in kernel.events {
            if case .began(let flow) = event, let place = kernel.place(flow.tuple), flow.isLeased { kernel.flows[place].isUncertain = true }
        }
        kernel.events = []
        // Of whom a verdict was lost there may be flows in the table, and none in the kernel, and the reverse; or the table was told what the kernel was not.
        for position in flights.indices {
            flights[position].verdict = nil
            if let place = kernel.place(flights[position].tuple) { kernel.flows[place].isUncertain = true }
        }
        for place in kernel.flows.indices where kernel.flows[place].isLeased { kernel.flows[place].isUncertain = true }
    }

    /// 4: what the new process knows is what the old one knew, but for records that were damaged.
    private mutating func checkBindings(_ before: [ReferenceModel.Binding: Instant], torn: Int) throws(Failure) {
        let after = allBindings()
        guard fault != .neverExpires, fault != .forgetsLiveFlows else { return }
        for (binding, expiry) in after where before[binding] != expiry {
            throw failed(
                .functionOfInputs,
                "after a restart \(binding) is there until \(expiry), before: \(before[binding].map { "\($0)" } ?? "never")")
        }
        let missing = before.keys.filter { after[$0] == nil }
        guard missing.count <= torn else { throw failed(.functionOfInputs, "a restart loses \(missing.count) bindings") }
        for binding in missing {
            model.forget(binding)
            lose(ReferenceModel.ClientAddress(client: binding.client, address: binding.address))
        }
    }

    // MARK: Files

    /// Damages some records, as a file that was overwritten would be: one byte each, of those that the checksum covers. Gives how many.
    private mutating func tearRecords() -> Int {
        var torn = 0
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let record = Int.random(in: 0..<40, using: &random)
            let at = 4_096 + record * 320
            guard files.bindings[at] != 0 else { continue }
            torn += 1
            coverage.note(.tornRecords)
            // [client 4][upper 8][lower 8]
            let offset = random.pick(Array(4..<8) + Array(16..<32))
            if fault == .trustsTornRecords {
                files.bindings[at + 24] ^= 0x40
                files.bindings.replace(Self.checksum(files.bindings, at), at: at + 36)
            } else {
                files.bindings[at + offset] ^= UInt8.random(in: 1...255, using: &random)
            }
        }
        if random.chance(50) {
            let at = 4_096 + Int.random(in: 0..<min(20, flowsMax), using: &random) * 640
            if files.flows[at] != 0 {
                coverage.note(.tornRecords)
                torn += 1
                // Addresses and ports.
                files.flows[at + Int.random(in: 16..<74, using: &random)] ^= UInt8.random(in: 1...255, using: &random)
            }
        }
        return torn
    }

    /// FNV-1a over what the checksum of a binding's record covers.
    private static func checksum(_ file: SimulatedFile, _ at: Int) -> [UInt8] {
        var value: UInt32 = 0x811c_9dc5
        for offset in Array(4..<8) + Array(16..<34) + Array(40..<40 + Int(file[at + 33])) {
            value = (value ^ UInt32(file[at + offset])) &* 0x0100_0193
        }
        return (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * UInt32($0))) }
    }
}
