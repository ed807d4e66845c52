import Enforcement
import NetworkTypes
import PolicyEngine
import PolicyModel

extension Simulation {
    /// A change of policy, step by step as the control plane does it. Packets and answers come between the steps, and the process may die there.
    mutating func changePolicy() throws(Failure) {
        coverage.note(.policyChanges)
        // A verdict is on its way for one change at most.
        while !flights.isEmpty { try land(flights.removeFirst()) }
        // Settled first, so that what the model keeps and what the table keeps is the same.
        try sweep(isWhole: true)
        let next = universe.resources(&random, previous: model.resources)
        let registryBefore = files.registry.bytes(0..<files.registry.byteCount)
        isChanging = true
        defer { isChanging = false }
        withdrawn = []

        let previous = daemon.published.current
        let (policy, exhausted) = daemon.compile(next, kernel, now: now)
        if !exhausted.isEmpty { coverage.note(.generationsExhausted) }
        let before = kernel.current
        let current = Self.current(of: policy)
        for (address, generation) in before where current[address] != generation {
            daemon.retired.retire(generation, of: address, now: now)
        }
        if try between(next, registryBefore) { return }

        if fault == .publishesBeforeAdopting {
            daemon.published.publish(policy)
            model.resources = next
            for _ in 0..<3 { try openFlow() }
        }
        daemon.adopt(policy)
        let identities = Set(next.endpoints.map(\.identity))
        for binding in model.expiries.keys where !identities.contains(binding.client) {
            withdrawn.insert(ReferenceModel.ClientAddress(client: binding.client, address: binding.address))
        }
        model.forgetClients(except: identities)
        if try between(next, nil) { return }

        daemon.published.publish(policy)
        model.resources = next
        noteLost()
        if try between(next, nil) { return }

        let knownBefore = kernel.known
        // No flow may bear what is given again when it becomes current.
        kernel.purge(exhausted)
        daemon.registry.notePurged()
        commit(policy, clearsLeases: !exhausted.isEmpty)
        let clean = daemon.cleanAddresses
        daemon.cleanAddresses.subtract(kernel.known)
        if try between(next, nil) { return }

        let came = kernel.known.subtracting(knownBefore)
        let went = knownBefore.subtracting(kernel.known)
        var purged = came.subtracting(clean)
        for endpoint in policy.endpoints {
            for address in endpoint.addresses {
                if let before = previous.endpointIndex(of: address), previous.programs[before].id != endpoint.id {
                    purged.insert(address)
                    coverage.note(.addressesWithAnotherOwner)
                }
            }
        }
        if fault != .keepsFlowsOfTheOwnerBefore { kernel.purge(purged) }
        let changed = Set(before.keys.filter { before[$0] != current[$0] }).union(current.keys.filter { before[$0] != current[$0] })
        forgive(changed)
        daemon.addressesToForgive.formUnion(changed)
        daemon.addressesToPurge.formUnion(went)
        daemon.addressesToPurge.subtract(came)
        if try between(next, nil) { return }

        daemon.registry.retain(identities)
        lastGenerations = lastGenerations.filter { identities.contains($0.key) }
        // A second after the last of several changes.
        daemon.settlesAt = now.advanced(bySeconds: 1)
        while !flights.isEmpty, random.chance(70) { try land(flights.removeFirst()) }
    }

    static func current(of policy: CompiledPolicy) -> [IPAddress: UInt16] {
        var current: [IPAddress: UInt16] = [:]
        for endpoint in policy.endpoints where endpoint.isPoliced {
            for address in endpoint.addresses { current[address] = endpoint.generation }
        }
        return current
    }

    /// The transaction: `known`, `policed` and `current` at once.
    mutating func commit(_ policy: CompiledPolicy, clearsLeases: Bool) {
        kernel.current = Self.current(of: policy)
        // An endpoint that went and comes again in what a crash broke off may have the generation that its flows bear.
        for endpoint in policy.endpoints
        where lastGenerations.updateValue(endpoint.generation, forKey: endpoint.identity) != endpoint.generation {
            forgetLost(of: endpoint.identity)
        }
        kernel.known = Set(policy.endpoints.flatMap(\.addresses))
        if clearsLeases { kernel.leases = [:] }
        model.commit()
    }

    /// What was refused for good is decided anew, unless it is TCP.
    mutating func forgive(_ addresses: Set<IPAddress>) {
        guard fault != .neverForgives else { return }
        for place in kernel.flows.indices
        where kernel.flows[place].mark == .denied && kernel.flows[place].tuple.transport != .tcp
            && addresses.contains(kernel.flows[place].tuple.source)
        {
            coverage.note(.flowsForgiven)
            kernel.flows[place].mark = .asked
            kernel.flows[place].deniedUnder = nil
        }
    }

    /// What the control plane does some time after a change.
    mutating func settleChange() throws(Failure) {
        guard let at = daemon.settlesAt, now >= at else { return }
        daemon.settlesAt = nil
        daemon.gate.settle()
        forgive(daemon.addressesToForgive)
        daemon.addressesToForgive = []
        let gone = daemon.addressesToPurge.subtracting(kernel.known)
        kernel.purge(gone)
        daemon.cleanAddresses.formUnion(gone)
        daemon.addressesToPurge = []
    }

    /// What others do between two steps of a change. True if the process died of it.
    private mutating func between(_ next: ResourceSet, _ registryBefore: [UInt8]?) throws(Failure) -> Bool {
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            switch Int.random(in: 0..<4, using: &random) {
            case 0: try openFlow()
            case 1: try answer()
            case 2 where !flights.isEmpty: try land(flights.removeFirst())
            default: try continueFlow()
            }
        }
        guard random.chance(2) else { return false }
        coverage.note(.crashesWithinChange)
        if let registryBefore, random.chance(50) { tearGenerations(registryBefore) }
        // The files of policy say what they say: the new one, or yet another.
        let found = random.chance(60) ? next : random.chance(50) ? model.resources : universe.resources(&random, previous: next)
        isChanging = false
        hasDiedWithinChange = true
        for key in withdrawn { lose(key) }
        try restart(reading: found, isCrash: true)
        return true
    }

    /// The process died between the two stores of a new generation, of whichever endpoints have one.
    private mutating func tearGenerations(_ before: [UInt8]) {
        for slot in 0..<SimulatedDaemon.endpointsMax {
            let at = 4_096 + slot * 1_024
            // In use before and now, by the same endpoint, with another generation.
            guard before[at] == 1, files.registry.bytes(at + 16..<at + 64) == Array(before[at + 16..<at + 64]),
                files.registry.bytes(at + 2..<at + 4) != Array(before[at + 2..<at + 4])
            else { continue }
            coverage.note(.tornGenerations)
            if fault == .writesFingerprintsFirst {
                files.registry.replace(Array(before[at + 2..<at + 4]), at: at + 2)
            } else {
                files.registry.replace(Array(before[at + 8..<at + 16]), at: at + 8)
            }
        }
    }
}
