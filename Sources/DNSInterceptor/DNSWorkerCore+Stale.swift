import DNSMessages
import Enforcement
import NetworkTypes

/// Answers that have expired and serve until there are others (RFC 8767), and those that are fetched anew before they expire.
///
///     miss, expired answer -> failed lately ----------------------> given at once, fetched behind it
///                          -> asked: answered well ---------------> the new one
///                                    late, failed, no place left -> given then
///
/// What is given out so is learned first, as any answer is: the binding lives for the TTL that is handed out.
extension DNSWorkerCore {
    /// Answers a query for which the cache has an expired answer.
    mutating func forward<G: AnswerGate & ~Copyable>(
        _ waiting: WaitingQuery, key: CacheKey, _ stale: AnswerCache.StaleHit, gate: inout G
    ) {
        guard stale.isFailing || configuration.staleClientTimeoutMilliseconds <= 0 else {
            return forward(waiting, key: key, hash: stale.answer.hash, stale: stale.answer, gate: &gate)
        }
        counters.add(stale.isFailing ? .staleFailing : .staleLate)
        deliver(stale.answer, as: .stale, to: waiting, gate: &gate)
        guard stale.wantsRefresh, mayRefresh(key, for: waiting.share) else { return }
        counters.add(.refreshesStale)
        cache.noteRefresh(of: stale, retryAt: refreshEnd)
        refresh(waiting.query, key, stale.answer, for: waiting.share, gate: &gate)
    }

    /// Fetches an answer that was just given out and ends soon.
    mutating func prefetch<G: AnswerGate & ~Copyable>(_ hit: AnswerCache.Hit, _ query: DNSQuery, for share: ClientShare, gate: inout G) {
        guard mayRefresh(query.cacheKey, for: share) else { return }
        counters.add(.refreshesPrefetch)
        cache.noteRefresh(of: hit, retryAt: refreshEnd)
        refresh(query, query.cacheKey, hit.answer, for: share, gate: &gate)
    }

    /// Whether there is room for a question that nobody waits for: a quarter of the places is left to those that somebody does.
    private func mayRefresh(_ key: CacheKey, for share: ClientShare) -> Bool {
        guard inFlight[key] == nil else { return false }
        guard hasRefreshRoom(for: share), freeTransactions.count > Self.outstandingMax(configuration) / 4 else {
            counters.add(.refreshesSkipped)
            return false
        }
        return true
    }

    /// Not the last places for one whose names are never answered: an answer that has failed once would serve others to the end of its time.
    private func hasRefreshRoom(for share: ClientShare?) -> Bool {
        let left = configuration.refreshesMax - refreshCount
        return left > 0 && Self.leaves(left, of: configuration.refreshesMax, to: share.map { refreshesByShare[$0, default: 0] } ?? 0)
    }

    private mutating func beginRefresh(_ transaction: Transaction) {
        transaction.isRefresh = true
        refreshCount += 1
        if let share = transaction.share { refreshesByShare[share, default: 0] += 1 }
    }

    mutating func endRefresh(_ transaction: Transaction) {
        guard transaction.isRefresh else { return }
        refreshCount -= 1
        if let share = transaction.share, let left = refreshesByShare[share] { refreshesByShare[share] = left > 1 ? left - 1 : nil }
    }

    /// By then a question has come to its end, come what may.
    private var refreshEnd: Instant {
        now.advanced(byNanoseconds: UInt64(max(0, configuration.totalTimeoutMilliseconds) + 1_000) * 1_000_000)
    }

    private mutating func refresh<G: AnswerGate & ~Copyable>(
        _ query: DNSQuery, _ key: CacheKey, _ stale: Answer, for share: ClientShare, gate: inout G
    ) {
        guard let slot = freeTransactions.popLast() else { return }
        let plan = ForwardingPlan(now: now, configuration: configuration)
        let zone = query.name.withSpan { zoneTable.zone(of: $0) }
        let transaction = Transaction(
            query: query, key: key, hash: stale.hash, zone: zone, generation: nextGeneration(), plan: plan, share: share)
        transaction.stale = stale
        beginRefresh(transaction)
        transactions[slot] = transaction
        inFlight[key] = slot
        let first = transaction.plan.start(&zones[zone], configuration: configuration, now: now)
        carryOut(first, slot, transaction, gate: &gate)
        setDeadline(slot, transaction)
    }

    /// Those who wait for this transaction get `stale` if it takes too long.
    mutating func setStale(_ stale: Answer, _ slot: Int, _ transaction: Transaction) {
        transaction.stale = stale
        let wait = UInt64(max(0, configuration.staleClientTimeoutMilliseconds)) * 1_000_000
        staleDeadlines.set(slot, deadline: now.advanced(byNanoseconds: wait))
    }

    /// Upstreams have not answered in time; they are still waited for, to refresh the answer.
    mutating func isLate<G: AnswerGate & ~Copyable>(_ slot: Int, gate: inout G) {
        guard let transaction = transactions[slot], let stale = transaction.stale, cache.isStale(stale, now: now) else { return }
        transaction.isLate = true
        counters.add(.staleLate, UInt64(transaction.waiting.count))
        release(transaction, stale, isStale: true, readAt: now, gate: &gate)
        becomeRefresh(slot, transaction, gate: &gate)
    }

    /// Nobody waits for this question any more: it goes on as one of those that nobody waited for at their start, or ends if there are too many.
    private mutating func becomeRefresh<G: AnswerGate & ~Copyable>(_ slot: Int, _ transaction: Transaction, gate: inout G) {
        guard !transaction.isRefresh, transactions[slot] === transaction else { return }
        guard hasRefreshRoom(for: transaction.share) else {
            counters.add(.refreshesSkipped)
            return giveUp(slot, transaction, gate: &gate)
        }
        beginRefresh(transaction)
    }

    /// Gives out an answer that does not count down, to one who waits for it.
    mutating func deliver<G: AnswerGate & ~Copyable>(
        _ answer: Answer, as standing: AnswerStanding, to waiting: WaitingQuery, gate: inout G
    ) {
        waiting.query.name.withSpan { name in
            deliver(answer, as: standing, to: waiting.query.head, name, waiting.client, waiting.origin, gate: &gate)
        }
    }

    /// As for an answer that counts down: learned first, written then. Its TTLs are as they were when it came, and end with its lifetime; those of a
    /// stale one are also no longer than configured.
    private mutating func deliver<G: AnswerGate & ~Copyable>(
        _ answer: Answer, as standing: AnswerStanding, to query: QueryHead, _ name: Span<UInt8>, _ client: DNSClient,
        _ origin: QueryOrigin, gate: inout G
    ) {
        guard let stored = answer.stored else {
            return refuse(query, name, origin, answer, standing.lookup)
        }
        var cap = answer.lifetimeSeconds
        if case .stale = standing { cap = min(cap, configuration.staleAnswerSeconds) }
        let sizeMax = self.sizeMax(of: query, origin)
        let isCut = stored.isCut(to: sizeMax, for: query)
        if !isCut, answer.teaches, case .endpoint(let endpoint) = client {
            let release =
                switch standing {
                case .stale, .cut: gate.learn(answer.qname, addresses: answer.addresses, timeToLiveSeconds: cap, client: client, now: now)
                case .local: gate.learnLocal(answer.qname, addresses: answer.addresses, timeToLiveSeconds: cap, client: client, now: now)
                }
            switch release {
            case .release(let timeToLiveCapSeconds):
                cap = min(cap, timeToLiveCapSeconds)
                link?.flights.noteAnswer(endpoint)
            case .refuse(let refusal): return refuse(query, name, origin, refusal)
            }
        }
        if isCut { counters.add(.answersTruncated) }
        if case .redial(let slot) = origin { return end(redial: slot, with: answer.addresses) }
        let count = reply(to: origin) { buffer in
            answer.withBytes { bytes, offsets in
                let count = DNSReply.write(
                    bytes, stored, timeToLiveOffsets: offsets, to: query, name: name, ageSeconds: 0, timeToLiveCapSeconds: cap,
                    sizeMax: sizeMax, extendedError: standing.extendedError(stored.rcode), into: &buffer)
                if count != nil { standing.mark(&buffer) }
                return count
            }
        }
        tally(count, query, stored.rcode, origin, standing.lookup, isDenial: answer.isDenial)
        note(count, origin, standing.lookup, answer)
    }
}
