import DomainNames
import Enforcement
import NetworkTypes
import PolicyModel

extension Simulation {
    mutating func answer() throws(Failure) {
        // Those that the gate knows; the verdict threads may not know them yet.
        guard let client = randomEndpoint(), daemon.gatePolicy.endpoints.contains(where: { $0.identity == client.identity }) else { return }
        coverage.note(.answers)
        let name = random.pick(universe.names)
        var addresses = (0..<Int.random(in: 1...4, using: &random)).map { _ in random.pick(universe.addresses) }
        let ttl = UInt32.random(in: 0...40, using: &random)
        guard let asking = daemon.gate.client(at: client.addresses[0]), case .endpoint(let id) = asking else {
            throw failed(.bindingsOfOneClient, "\(client.identity) is not known to the gate")
        }
        if fault == .releasesBeforePublishing {
            // The client has its answer already; its packet comes first.
            learned(name, addresses, expiry: now.advanced(bySeconds: limits.leaseSeconds(timeToLive: ttl)), client)
            return try connect(client, to: addresses[0])
        }
        let pointsInside = random.chance(4)
        if pointsInside { addresses.append(random.pick(universe.insideAddresses)) }
        let (before, _) = bindings(of: id)
        let release = daemon.gate.learn(
            name, addresses: fault == .releasesMoreThanLearned ? Array(addresses.dropLast()) : addresses,
            timeToLiveSeconds: fault == .neverExpires ? 80_000 : ttl, client: asking, now: now)
        if fault == .sharesBindings, let other = model.resources.endpoints.first(where: { $0.identity != client.identity }),
            let otherClient = daemon.gate.client(at: other.addresses[0])
        {
            _ = daemon.gate.learn(name, addresses: addresses, timeToLiveSeconds: ttl, client: otherClient, now: now)
        }
        if fault == .evictsOthers, before[0] > 0 {
            daemon.gate.releaseDraining(sweepBegan: now.advanced(bySeconds: 100_000)) { _, _ in false }
        }
        // 7: one client's flood takes nothing from another.
        let (after, held) = bindings(of: id)
        guard fault == .sharesBindings || after == before else {
            throw failed(.bounded, "an answer for \(client.identity) changed the bindings of others")
        }
        if pointsInside {
            coverage.note(.answersThatPointInside)
            guard case .refuse = release else { throw failed(.learnedIsReleased, "\(name) points at \(addresses)") }
            return
        }
        let lease = now.advanced(bySeconds: limits.leaseSeconds(timeToLive: ttl))
        // What made room went before the new was learned.
        try settleBounds(client.identity, held, afterAnswerOf: name, addresses)
        switch release {
        case .release(let cap):
            let handedOut = fault == .handsOutLongTimesToLive ? 60 : min(ttl, cap)
            guard UInt64(handedOut) <= limits.leaseSeconds(timeToLive: ttl) else {
                throw failed(.learnedIsReleased, "TTL \(handedOut) is longer than the lease")
            }
            learned(name, addresses, expiry: lease, client)
            for address in Set(addresses) where fault != .neverExpires {
                guard let actual = held.first(where: { $0.name == name && $0.address == address })?.expiry,
                    model.settle(name, address, at: actual, client: client.identity, slack: limits.renewalSlackNanoseconds)
                else { throw failed(.learnedIsReleased, "\(name) \(address)") }
            }
            try checkBounds(of: client.identity, held)
            try connect(client, to: random.pick(addresses))
        case .refuse:
            coverage.note(.boundsReached)
            // What was learned before the limit struck stays; the model takes it over as it is.
            for binding in held where binding.name == name && addresses.contains(binding.address) {
                // What it did not touch carries no more flows than before.
                let known = ReferenceModel.Binding(client: client.identity, name: name, address: binding.address)
                guard model.expiries[known] != binding.expiry else { continue }
                learned(name, [binding.address], expiry: binding.expiry, client)
            }
            try checkBounds(of: client.identity, held)
        }
    }

    private mutating func learned(_ name: DomainName, _ addresses: [IPAddress], expiry: Instant, _ client: WorkloadEndpoint) {
        model.learn(name, addresses, expiry: expiry, client: client.identity)
        for address in addresses {
            everLearned.insert(ReferenceModel.Binding(client: client.identity, name: name, address: address))
        }
    }

    private struct Held {
        let name: DomainName
        let address: IPAddress
        let expiry: Instant
    }

    private func checkBounds(of client: String, _ held: [Held]) throws(Failure) {
        var live: [DomainName: Int] = [:]
        for binding in held where binding.expiry > now { live[binding.name, default: 0] += 1 }
        guard daemon.gate.names.bindingCount <= limits.bindings, held.count <= limits.bindingsPerClient,
            live.count <= limits.namesPerClient, live.values.allSatisfy({ $0 <= limits.addressesPerName })
        else { throw failed(.bounded, "\(held.count) bindings and \(live.count) names of \(client)") }
    }

    /// The bindings of one client; how many others have, and a sum over what they say.
    private func bindings(of id: EndpointID) -> (others: [UInt64], held: [Held]) {
        var count: UInt64 = 0
        var sum: UInt64 = 0
        var held: [Held] = []
        daemon.gate.names.forEachBinding { owner, name, address, expiry, state in
            guard owner != id else { return held.append(Held(name: name, address: address, expiry: expiry)) }
            count += 1
            sum &+= (expiry.nanoseconds ^ address.lower &* 0x9e37_79b9_7f4a_7c15 ^ UInt64(owner.rawValue)) &* 0x0000_0100_0000_01b3
        }
        return ([count, sum], held)
    }

    /// Every binding of the gate, by the client's identity.
    func allBindings() -> [ReferenceModel.Binding: Instant] {
        var identities: [EndpointID: String] = [:]
        for endpoint in daemon.gatePolicy.endpoints { identities[endpoint.id] = endpoint.identity }
        var held: [ReferenceModel.Binding: Instant] = [:]
        daemon.gate.names.forEachBinding { owner, name, address, expiry, _ in
            held[ReferenceModel.Binding(client: identities[owner] ?? "nobody", name: name, address: address)] = expiry
        }
        return held
    }

    /// Bounds may have ended bindings, or let draining ones go: whether rightly so, and then as it is.
    private mutating func settleBounds(
        _ client: String, _ bindings: [Held], afterAnswerOf name: DomainName?, _ answer: [IPAddress]
    ) throws(Failure) {
        guard fault != .neverExpires, fault != .forgetsLiveFlows, fault != .losesBindingsAtRestart else { return }
        var held: [ReferenceModel.Binding: Instant] = [:]
        for binding in bindings {
            held[ReferenceModel.Binding(client: client, name: binding.name, address: binding.address)] = binding.expiry
        }
        let expected = Array(model.expiries.lazy.filter { $0.key.client == client })
        let draining = expected.count { $0.value < now }
        // Nothing but the oldest addresses of the name that was learned ends early, and only if there are too many.
        let live = held.filter { $0.key.name == name && $0.value > now }
        for (binding, expiry) in expected where held[binding] == now && expiry > now {
            let outlivesOther = live.contains { $0.value < expiry && !answer.contains($0.key.address) }
            guard binding.name == name, !answer.contains(binding.address), live.count >= limits.addressesPerName, !outlivesOther else {
                throw failed(.bounded, "newer addresses end the oldest of their name: \(binding)")
            }
            coverage.note(.boundsReached)
            model.expiries[binding] = now
            endedEarly[ReferenceModel.ClientAddress(client: client, address: binding.address)] = now
        }
        for (binding, expiry) in expected where held[binding] == nil {
            let isUnknown = model.unseenSweeps[binding] == nil && model.counts(binding, wasAdmitted: true)
            let mayCarry = isUnknown || model.carrying.contains(binding)
            guard expiry < now, !mayCarry || draining > limits.drainingPerClient else {
                throw failed(.liveFlows, "a binding that carries a flow stays: \(binding)")
            }
            coverage.note(.boundsReached)
            model.forget(binding)
            // The last sweep saw no flow that uses it. One that was refused then, and is allowed again since, goes on without its name.
            if kernel.flows.contains(where: { $0.wasRevoked && $0.client == client && $0.tuple.destination == binding.address }) {
                lose(ReferenceModel.ClientAddress(client: client, address: binding.address))
            }
        }
        guard held.count(where: { $0.value < now }) <= limits.drainingPerClient || name != nil else {
            throw failed(.bounded, "draining bindings of \(client)")
        }
    }

    mutating func settleAllBounds() throws(Failure) {
        if isAsExpected() { return }
        for endpoint in daemon.gatePolicy.endpoints {
            try settleBounds(endpoint.identity, bindings(of: endpoint.id).held, afterAnswerOf: nil, [])
        }
    }

    /// Whether the gate has exactly the bindings of the model, and no more draining ones than it may: the usual case, told in one walk.
    private func isAsExpected() -> Bool {
        var identities: [EndpointID: String] = [:]
        for endpoint in daemon.gatePolicy.endpoints { identities[endpoint.id] = endpoint.identity }
        var draining: [EndpointID: Int] = [:]
        var count = 0
        var isSame = true
        daemon.gate.names.forEachBinding { owner, name, address, expiry, _ in
            guard isSame else { return }
            count += 1
            if expiry < now { draining[owner, default: 0] += 1 }
            // Of nobody the model has nothing.
            let client = identities[owner] ?? ""
            isSame = model.expiries[ReferenceModel.Binding(client: client, name: name, address: address)] == expiry
        }
        return isSame && count == model.expiries.count && draining.values.allSatisfy { $0 <= limits.drainingPerClient }
    }
}
