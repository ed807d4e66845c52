import DNSMessages
import Enforcement
import Glibc
import NetworkTypes

/// Upstreams that are down: each is asked for the NS records of its zone, again and again until it answers, so that no client has to try it.
///
/// Any reply to that question puts it up, whatever it says: it tells that the server is there. A probe takes the way that questions of the zone
/// take, TCP if that is forced, TLS if that is the upstream's. Its transaction has a slot of its own behind those of clients' questions, one for each upstream.
extension DNSWorkerCore {
    /// The zones of a configuration, the root first, with all their upstreams.
    static func forwarding(
        _ configuration: DNSWorkerConfiguration
    ) -> (zones: [ZoneState], upstreams: [(zone: Int, number: Int)], connectionsMax: Int) {
        var random = SystemRandomNumberGenerator()
        var zones: [ZoneState] = []
        var upstreams: [(zone: Int, number: Int)] = []
        var connectionsMax = 0
        for (number, configured) in ([configuration.root] + configuration.zones).enumerated() {
            let zone = ZoneState(
                configured, firstUpstream: upstreams.count,
                halvingNanoseconds: UInt64(max(1, configuration.latencyHalvingMilliseconds)) * 1_000_000, using: &random)
            upstreams += zone.upstreams.indices.map { (number, $0) }
            connectionsMax += zone.upstreams.count * max(1, configured.options.connectionsPerUpstreamMax)
            zones.append(zone)
        }
        // An event's token has 23 bits for it.
        precondition(upstreams.count <= 65_536 && connectionsMax < 1 << 23, "too many upstreams")
        return (zones, upstreams, connectionsMax)
    }

    /// Once a second: takes over what has changed in the lists of upstreams that may change.
    mutating func refreshLiveUpstreams() {
        for zone in zones.indices {
            guard let live = zones[zone].configuration.live?.current, live != zones[zone].live else { continue }
            let isFree = zones[zone].upstreams.indices.map { upstream in
                upstreamPools[zones[zone].firstUpstream + upstream].isEmpty && transactions[probeSlot(zone, upstream)] == nil
            }
            zones[zone].list(live, using: &random) { isFree[$0] }
        }
    }

    /// Brings the reports up to date, in place: a second without queries costs no memory.
    func reportUpstreams() {
        counters.updateUpstreams { reports in
            for (index, (zone, number)) in upstreams.prefix(UpstreamReport.countMax).enumerated() {
                if index == reports.count {
                    reports.append(UpstreamReport(zone: zones[zone].configuration.name, upstream: zones[zone].addresses[number]))
                }
                reports[index].upstream = zones[zone].addresses[number]
                reports[index].isListed = zones[zone].upstreams[number].isListed
                reports[index].isUp = zones[zone].upstreams[number].isUp
                reports[index].tally = zones[zone].upstreams[number].tally
            }
        }
    }

    private func probeSlot(_ zone: Int, _ upstream: Int) -> Int {
        Self.outstandingMax(configuration) + zones[zone].firstUpstream + upstream
    }

    /// It has failed too often: probes begin.
    mutating func noteDown(_ upstream: Int, ofZone zone: Int) {
        counters.add(.upstreamDown)
        let slot = probeSlot(zone, upstream)
        // The last probe of an earlier time may still run; its end begins the next.
        if transactions[slot] == nil { scheduleProbe(slot, lastAt: now) }
    }

    private mutating func scheduleProbe(_ slot: Int, lastAt: Instant) {
        let pause = UInt64(max(1, configuration.probeMilliseconds)) * 1_000_000
        attemptDeadlines.set(slot, deadline: max(now, lastAt.advanced(byNanoseconds: pause)))
    }

    /// The pause of a probe's slot is over.
    mutating func startProbe(_ slot: Int) {
        let (zone, upstream) = upstreams[slot - Self.outstandingMax(configuration)]
        guard !zones[zone].upstreams[upstream].isUp, zones[zone].upstreams[upstream].isListed else { return }
        let query = zones[zone].probe
        let transaction = Transaction(
            query: query, key: query.cacheKey, hash: 0, zone: zone, generation: nextGeneration(),
            plan: ForwardingPlan(now: now, configuration: configuration), share: nil, isProbe: true)
        transactions[slot] = transaction
        let hasEDNS = zones[zone].upstreams[upstream].acceptsEDNS(now: now)
        transaction.startedAt = now
        let isStream = zones[zone].options.forcesTCP || zones[zone].isSecure(upstream)
        if let failure = ask(place: 0, upstream, isStream, hasEDNS, slot, transaction) {
            return endProbe(failure, slot, transaction)
        }
        attemptDeadlines.set(
            slot, deadline: now.advanced(byNanoseconds: UInt64(max(1, configuration.probeTimeoutMilliseconds)) * 1_000_000))
    }

    /// What became of a probe.
    mutating func endProbe(_ event: ForwardingPlan.Event, _ slot: Int, _ transaction: Transaction) {
        let (zone, upstream) = upstreams[slot - Self.outstandingMax(configuration)]
        let hasAnswered: Bool
        switch event {
        // Id and port are right. With its letters in another case, it is still an answer, which a forger of health may have.
        case .truncated, .ednsRefused, .cookieRefused, .cookieMissing, .answeredBadly, .answeredWell, .wrongReply(differsInCase: true):
            hasAnswered = true
        case .wrongReply(differsInCase: false): return
        case .timeout, .failed, .notConnected, .streamEnded, .localFailure, .upstreamReturned: hasAnswered = false
        }
        attemptDeadlines.remove(slot)
        retire(0, transaction)
        transactions[slot] = nil
        if hasAnswered {
            counters.add(.upstreamProbesAnswered)
            if !zones[zone].upstreams[upstream].isUp { noteUp(upstream, ofZone: zone) }
            zones[zone].upstreams[upstream].succeed()
            zones[zone].upstreams[upstream].roundTrip.noteAnswer(nanoseconds: now.nanoseconds(since: transaction.startedAt))
        } else {
            counters.add(.upstreamProbesFailed)
            if !zones[zone].upstreams[upstream].isUp, zones[zone].upstreams[upstream].isListed {
                scheduleProbe(slot, lastAt: transaction.startedAt)
            }
        }
    }

    /// It is up again: what it was asked over UDP before, it is asked again, and what failed meanwhile is when a client next wants it.
    mutating func noteUp(_ upstream: Int, ofZone zone: Int) {
        returnedUpstreams.append(ReturnedUpstream(zone: zone, number: upstream, since: now))
        mustForgetFailures = true
    }

    /// Asks upstreams that are back again, so many questions in one turn that clients do not notice. The rest waits for the next.
    mutating func askAgain<G: AnswerGate & ~Copyable>(gate: inout G) {
        if mustForgetFailures { cache.forgetFailures() }
        mustForgetFailures = false
        var left = 128
        while left > 0, let returned = returnedUpstreams.last {
            guard returned.nextSlot < Self.outstandingMax(configuration) else {
                returnedUpstreams.removeLast()
                continue
            }
            returnedUpstreams[returnedUpstreams.count - 1].nextSlot += 1
            guard let transaction = transactions[returned.nextSlot], transaction.zone == returned.zone else { continue }
            for place in 0..<2 where transaction[place].isOpen && !transaction[place].isTCP {
                guard transaction[place].upstream == returned.number, transaction[place].askedAt < returned.since else { continue }
                left -= 1
                take(.upstreamReturned, place: place, returned.nextSlot, transaction, gate: &gate)
            }
            // All events of this turn have been taken: the old sockets make room for the next ones.
            closeFinished()
        }
    }

    mutating func closeFinished() {
        for descriptor in finishedDescriptors { close(descriptor) }
        finishedDescriptors.removeAll(keepingCapacity: true)
    }
}
