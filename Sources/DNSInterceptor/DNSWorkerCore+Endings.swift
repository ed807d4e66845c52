import DNSMessages
import Enforcement
import NetworkTypes

/// What a question to upstreams came to, and who gets it.
extension DNSWorkerCore {
    mutating func giveUp<G: AnswerGate & ~Copyable>(_ slot: Int, _ transaction: Transaction, gate: inout G) {
        let answer: Answer
        if transaction.plan.foundTruncatedOnly, let truncated = truncatedAnswer(to: transaction) {
            answer = truncated
        } else if let kept = transaction.kept {
            counters.add(.failedUpstreams)
            answer = kept
        } else if transaction.plan.foundAllFull {
            // Not kept: another moment there may be room.
            counters.add(.failedUpstreamsFull)
            answer = Answer(
                key: transaction.key, hash: transaction.hash, failure: .networkError("too many questions at the upstreams"),
                cause: .failedUpstreamsFull, storedAt: now, lifetimeSeconds: 0)
        } else {
            let reason: ExtendedDNSError
            let cause: DNSCounter
            if let fault = transaction.lastFault {
                cause = .failedMalformedAnswer
                reason = .invalidData("upstream's answer refused: \(fault.label)")
            } else {
                cause = .failedUpstreams
                let text = "no upstream answered"
                reason = .noReachableAuthority(transaction.lastTLSFault.map { "\(text): \($0.text)" } ?? text)
            }
            counters.add(cause)
            answer = Answer(
                key: transaction.key, hash: transaction.hash, failure: reason, cause: cause, storedAt: now,
                lifetimeSeconds: configuration.failureLifetimeSeconds)
        }
        let stale = transaction.stale.flatMap { cache.isStale($0, now: now) ? $0 : nil }
        finish(slot, transaction, answer, stale: stale, readAt: now, gate: &gate)
    }

    /// The word that there is an answer which is too long, without any of it.
    private func truncatedAnswer(to transaction: Transaction) -> Answer? {
        let message = LocalMessage.truncated(transaction.key)
        guard let response = try? DNSResponse(parsing: message.span) else { return nil }
        return Answer(
            key: transaction.key, hash: transaction.hash, message: message.span, response: response, now: now, configuration: configuration)
    }

    /// Keeps the answer and gives it, or `stale` in its place, to everybody who waits, each through the gate on his own account.
    mutating func finish<G: AnswerGate & ~Copyable>(
        _ slot: Int, _ transaction: Transaction, _ answer: Answer, stale: Answer? = nil, readAt: Instant, gate: inout G
    ) {
        inFlight[transaction.key] = nil
        attemptDeadlines.remove(slot)
        if configuration.keepsStale { staleDeadlines.remove(slot) }
        endRefresh(transaction)
        for place in 0..<2 { retire(place, transaction) }
        transactions[slot] = nil
        freeTransactions.append(slot)
        if let stale {
            counters.add(.staleFailed, UInt64(transaction.waiting.count))
            release(transaction, stale, isStale: true, readAt: readAt, gate: &gate)
        } else {
            release(transaction, answer, isStale: false, readAt: readAt, gate: &gate)
        }
        // It was asked before `hosts` had the name.
        if !local.value.hosts.isEmpty, local.value.hasHost(answer.qname) { return }
        cache.store(answer, now: now)
    }

    /// Gives an answer to everybody who waits, and nobody waits any more.
    mutating func release<G: AnswerGate & ~Copyable>(
        _ transaction: Transaction, _ answer: Answer, isStale: Bool, readAt: Instant, gate: inout G
    ) {
        let released = transaction.waiting
        transaction.waiting = []
        for waiting in released {
            waitingCount -= 1
            if let left = waitingByShare[waiting.share] { waitingByShare[waiting.share] = left > 1 ? left - 1 : nil }
            defer { noteEnd(of: waiting) }
            if case .connection(let slot, let generation) = waiting.origin {
                guard let connection = connection(slot, generation) else { continue }
                connection.waitingQueries -= 1
                mark(connection)
            }
            waitedSince = waiting.arrivedAt
            isSuspect = waiting.isSuspect
            defer { (waitedSince, isSuspect) = (nil, false) }
            if isStale { deliver(answer, as: .stale, to: waiting, gate: &gate) } else { deliver(answer, to: waiting, gate: &gate) }
            if case .redial = waiting.origin { continue }
            unsentMisses.append((waiting.arrivedAt, readAt))
        }
        if unsentMisses.count >= 4 { flushDatagrams() }
    }
}
