import CLinux
import DNSMessages
import Enforcement
import Glibc
import NetworkTypes

/// Questions that the cache cannot answer: upstream sockets, and the steps that ``ForwardingPlan`` asks for.
extension DNSWorkerCore {
    // MARK: starting

    /// Has a query wait for the answer to its question, which is asked unless it is in flight already.
    ///
    /// `stale`, if there is one, is given out where the answer fails, is late, or cannot be waited for.
    mutating func forward<G: AnswerGate & ~Copyable>(
        _ waiting: WaitingQuery, key: CacheKey, hash: UInt64, stale: Answer? = nil, gate: inout G
    ) {
        let ofSource = waitingBySource[waiting.source, default: 0]
        guard waitingCount < configuration.waitersMax, ofSource < configuration.waitersPerClientMax else {
            counters.add(.failedWaiters)
            return refuse(waiting, .other("too many queries waiting"), stale, gate: &gate)
        }
        if let slot = inFlight[key], let transaction = transactions[slot] {
            counters.add(.coalesced)
            if let stale {
                if transaction.isLate {
                    counters.add(.staleLate)
                    return deliver(stale, as: .stale, to: waiting, gate: &gate)
                }
                if transaction.stale == nil || transaction.waiting.isEmpty { setStale(stale, slot, transaction) }
            }
            return append(waiting, to: transaction)
        }
        guard let slot = freeTransactions.popLast() else {
            counters.add(.failedOutstanding)
            return refuse(waiting, .networkError("too many questions in flight"), stale, gate: &gate)
        }
        let plan = ForwardingPlan(now: now, configuration: configuration)
        let transaction = Transaction(query: waiting.query, key: key, hash: hash, generation: nextGeneration(), plan: plan)
        transactions[slot] = transaction
        inFlight[key] = slot
        append(waiting, to: transaction)
        if let stale { setStale(stale, slot, transaction) }
        carryOut(transaction.plan.start(health, configuration: configuration, now: now), slot, transaction, gate: &gate)
    }

    private mutating func refuse<G: AnswerGate & ~Copyable>(
        _ waiting: WaitingQuery, _ reason: ExtendedDNSError, _ stale: Answer?, gate: inout G
    ) {
        if let stale {
            counters.add(.staleFailed)
            return deliver(stale, as: .stale, to: waiting, gate: &gate)
        }
        waiting.query.name.withSpan { refuse(waiting.query.head, $0, waiting.origin, .serverFailure, reason) }
    }

    private mutating func deliver<G: AnswerGate & ~Copyable>(_ answer: Answer, to waiting: WaitingQuery, gate: inout G) {
        waiting.query.name.withSpan { deliver(answer, nil, to: waiting.query.head, $0, waiting.client, waiting.origin, gate: &gate) }
    }

    private mutating func append(_ waiting: WaitingQuery, to transaction: Transaction) {
        transaction.waiting.append(waiting)
        waitingCount += 1
        waitingBySource[waiting.source, default: 0] += 1
        switch waiting.origin {
        case .connection(let slot, let generation): connection(slot, generation)?.waitingQueries += 1
        // Counted by who asked for it.
        case .redial: return
        case .datagram: break
        }
        if let link, case .endpoint(let endpoint) = waiting.client { link.flights.begin(endpoint) }
    }

    /// What a query taught is published, and its answer written: packets of its client need not wait for it any longer.
    private func noteEnd(of waiting: WaitingQuery) {
        guard let link, case .endpoint(let endpoint) = waiting.client else { return }
        if case .redial = waiting.origin { return }
        link.flights.end(endpoint)
    }

    // MARK: steps

    private mutating func take<G: AnswerGate & ~Copyable>(
        _ event: ForwardingPlan.Event, _ slot: Int, _ transaction: Transaction, gate: inout G
    ) {
        var wentDown = false
        let action = transaction.plan.handle(event, health: &health, configuration: configuration, now: now, wentDown: &wentDown)
        if wentDown { counters.add(.upstreamDown) }
        carryOut(action, slot, transaction, gate: &gate)
    }

    /// Does what the plan says; an attempt that fails at once is reported to it and the next step taken.
    mutating func carryOut<G: AnswerGate & ~Copyable>(
        _ first: ForwardingPlan.Action, _ slot: Int, _ transaction: Transaction, gate: inout G
    ) {
        var action = first
        while true {
            switch action {
            case .keepWaiting, .deliver:
                return
            case .giveUp:
                return giveUp(slot, transaction, gate: &gate)
            case .ask(let upstream, let overTCP, let withEDNS, let until):
                retire(transaction)
                guard let failure = ask(upstream, overTCP, withEDNS, slot, transaction) else {
                    attemptDeadlines.set(slot, deadline: until)
                    return
                }
                counters.add(.upstreamSocketErrors)
                var wentDown = false
                action = transaction.plan.handle(failure, health: &health, configuration: configuration, now: now, wentDown: &wentDown)
                if wentDown { counters.add(.upstreamDown) }
            }
        }
    }

    /// Sends the question from a new socket; what went wrong, or nil.
    private mutating func ask(
        _ upstream: Int, _ overTCP: Bool, _ withEDNS: Bool, _ slot: Int, _ transaction: Transaction
    ) -> ForwardingPlan.Event? {
        let target = configuration.upstreams[upstream]
        let descriptor = DNSSockets.newSocket(target.address.family, overTCP ? SOCK_STREAM : SOCK_DGRAM)
        guard descriptor >= 0 else { return .localFailure }
        transaction.descriptor = descriptor
        transaction.isTCP = overTCP
        transaction.hasEDNS = withEDNS
        do throws(DNSSocketError) {
            if let mark = configuration.upstreamMark { try DNSSockets.set(descriptor, SOL_SOCKET, SO_MARK, Int32(bitPattern: mark)) }
            try poll.add(
                descriptor, token: Self.token(.transaction, slot: slot, generation: transaction.generation), reads: true, writes: overTCP)
        } catch {
            return .localFailure
        }
        // The kernel picks a random free port for each socket (net/ipv4/udp.c, udp_lib_get_port).
        let status = unsafe SocketAddress(target.address, port: target.port).withPointer { unsafe connect(descriptor, $0, $1) }
        guard status == 0 || (overTCP && errno == EINPROGRESS) else { return .failed }

        var buffer = InlineArray<512, UInt8>(repeating: 0)
        var span = buffer.mutableSpan
        transaction.id = UInt16.random(in: .min ... .max, using: &random)
        guard
            let count = UpstreamQuery.write(
                for: transaction.query, id: transaction.id, caseBits: caseBits(for: transaction.query), hasEDNS: withEDNS,
                udpPayloadSize: DNSReply.udpPayloadSizeDefault, into: &span)
        else { preconditionFailure("a query has at most 282 bytes") }
        // RD and AD do not belong to the cache key: every client's answer is made for both set.
        span[2] |= 0x01
        span[3] |= 0x20
        transaction.question = (12..<transaction.query.questionEnd).map { span[$0] }
        if overTCP {
            counters.add(.upstreamQueriesTCP)
            transaction.output = [UInt8(truncatingIfNeeded: count >> 8), UInt8(truncatingIfNeeded: count)] + (0..<count).map { span[$0] }
            transaction.outputSent = 0
            transaction.input.removeAll()
            return nil
        }
        counters.add(.upstreamQueriesUDP)
        let sent = unsafe buffer.span.extracting(first: count).withUnsafeBytes { unsafe send(descriptor, $0.baseAddress, $0.count, 0) }
        // A full send buffer loses the datagram like the network would; the timeout repeats it.
        return sent == count || errno == EAGAIN || errno == ENOBUFS ? nil : .failed
    }

    private mutating func caseBits(for query: DNSQuery) -> SIMD4<UInt64> {
        guard configuration.randomizesCase else { return SIMD4(repeating: 0) }
        var bits = SIMD4<UInt64>(repeating: 0)
        for index in 0...(query.name.count - 1) >> 6 { bits[index] = random.next() }
        return bits
    }

    /// Sets the socket of the last attempt aside.
    private mutating func retire(_ transaction: Transaction) {
        guard transaction.descriptor >= 0 else { return }
        poll.remove(transaction.descriptor)
        finishedDescriptors.append(transaction.descriptor)
        transaction.descriptor = -1
    }

    mutating func attemptTimedOut<G: AnswerGate & ~Copyable>(_ slot: Int, gate: inout G) {
        guard let transaction = transactions[slot] else { return }
        counters.add(.upstreamTimeouts)
        take(.timeout, slot, transaction, gate: &gate)
    }

    // MARK: replies

    mutating func transactionIsReady<G: AnswerGate & ~Copyable>(
        _ slot: Int, _ generation: UInt32, _ event: EventPoll.Readiness, gate: inout G
    ) {
        guard let transaction = transactions[slot], transaction.generation == generation, transaction.descriptor >= 0 else { return }
        if transaction.isTCP {
            streamIsReady(slot, transaction, event, gate: &gate)
        } else {
            datagramIsReady(slot, transaction, gate: &gate)
        }
    }

    /// Reads until a reply settles the attempt; a few at a time, whatever is sent at us.
    private mutating func datagramIsReady<G: AnswerGate & ~Copyable>(_ slot: Int, _ transaction: Transaction, gate: inout G) {
        let descriptor = transaction.descriptor
        let buffer = unsafe upstreamBuffer
        for _ in 0..<8 {
            let count = unsafe recv(descriptor, buffer.baseAddress, buffer.count, 0)
            guard count >= 0 else {
                if errno == EAGAIN || errno == EINTR { return }
                // ECONNREFUSED and the like: an ICMP error came back.
                counters.add(.upstreamSocketErrors)
                return take(.failed, slot, transaction, gate: &gate)
            }
            let readAt = Self.clock()
            now = readAt
            let message = unsafe UnsafeBufferPointer(rebasing: buffer[..<count])
            receive(unsafe message.span, slot, transaction, readAt: readAt, gate: &gate)
            if unsentMisses.count >= 4 { flushDatagrams() }
            guard transaction.descriptor == descriptor else { return }
        }
    }

    private mutating func streamIsReady<G: AnswerGate & ~Copyable>(
        _ slot: Int, _ transaction: Transaction, _ event: EventPoll.Readiness, gate: inout G
    ) {
        guard sendStream(slot, transaction, event) else { return streamFailed(slot, transaction, gate: &gate) }
        guard event.isReadable || event.isBroken else { return }
        let buffer = unsafe upstreamBuffer
        let count = unsafe recv(transaction.descriptor, buffer.baseAddress, buffer.count, 0)
        guard count > 0 else {
            if count < 0, errno == EAGAIN || errno == EINTR { return }
            return streamFailed(slot, transaction, gate: &gate)
        }
        now = Self.clock()
        for index in 0..<count { transaction.input.append(unsafe buffer[index]) }
        guard transaction.input.count >= 2 else { return }
        let end = 2 + Int(transaction.input[0]) << 8 + Int(transaction.input[1])
        guard transaction.input.count >= end else { return }
        let message = Array(transaction.input[2..<end])
        receive(message.span, slot, transaction, readAt: now, gate: &gate)
    }

    /// Sends what the kernel takes of the query; false if the connection failed.
    private func sendStream(_ slot: Int, _ transaction: Transaction, _ event: EventPoll.Readiness) -> Bool {
        guard event.isWritable, transaction.outputSent < transaction.output.count else { return true }
        let sent = unsafe transaction.output.withUnsafeBytes { bytes in
            let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[transaction.outputSent...])
            return unsafe send(transaction.descriptor, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
        }
        guard sent >= 0 else { return errno == EAGAIN || errno == EINTR }
        transaction.outputSent += sent
        guard transaction.outputSent == transaction.output.count else { return true }
        let token = Self.token(.transaction, slot: slot, generation: transaction.generation)
        do throws(DNSSocketError) {
            try poll.modify(transaction.descriptor, token: token, reads: true, writes: false)
            return true
        } catch {
            return false
        }
    }

    private mutating func streamFailed<G: AnswerGate & ~Copyable>(_ slot: Int, _ transaction: Transaction, gate: inout G) {
        counters.add(.upstreamTCPFailures)
        take(.failed, slot, transaction, gate: &gate)
    }

    /// One message on the socket of an attempt.
    private mutating func receive<G: AnswerGate & ~Copyable>(
        _ message: Span<UInt8>, _ slot: Int, _ transaction: Transaction, readAt: Instant, gate: inout G
    ) {
        let question = transaction.question
        let kind = UpstreamReplyKind(message, id: transaction.id, question: question.span, isEDNSSent: transaction.hasEDNS)
        switch kind {
        case .wrongForm, .wrongIdentifier, .wrongQuestion, .wrongLetterCase:
            counters.add(kind.counter)
            // Nobody but the server can write into a TCP connection: it answers something else, so it is no use.
            // Letter case guards against forgery, which TCP does by itself.
            if transaction.isTCP {
                guard kind == .wrongLetterCase else { return streamFailed(slot, transaction, gate: &gate) }
                return receiveAnswer(message, slot, transaction, readAt: readAt, gate: &gate)
            }
            take(.wrongReply(differsInCase: kind == .wrongLetterCase), slot, transaction, gate: &gate)
        case .truncated:
            counters.add(.upstreamTruncated)
            take(.truncated, slot, transaction, gate: &gate)
        case .ednsRefused:
            counters.add(.upstreamWithoutEDNS)
            take(.ednsRefused, slot, transaction, gate: &gate)
        case .answer:
            receiveAnswer(message, slot, transaction, readAt: readAt, gate: &gate)
        }
    }

    /// The reply to our question: checked as a whole, then given out, or another upstream asked.
    private mutating func receiveAnswer<G: AnswerGate & ~Copyable>(
        _ message: Span<UInt8>, _ slot: Int, _ transaction: Transaction, readAt: Instant, gate: inout G
    ) {
        let response: DNSResponse
        do throws(MessageFault) {
            response = try DNSResponse(parsing: message)
        } catch {
            // Whoever runs the zone may have written it: it says nothing about the upstream's health.
            counters.add(.upstreamMalformed)
            counters.addMalformedAnswer(error)
            transaction.lastFault = error
            return take(.answeredBadly, slot, transaction, gate: &gate)
        }
        if response.rcode == .badVersion, transaction.hasEDNS {
            counters.add(.upstreamWithoutEDNS)
            return take(.ednsRefused, slot, transaction, gate: &gate)
        }
        let answer = Answer(
            key: transaction.key, hash: transaction.hash, message: message, response: response, now: now, configuration: configuration)
        switch response.rcode {
        case .noError, .nameError:
            take(.answeredWell, slot, transaction, gate: &gate)
            finish(slot, transaction, answer, readAt: readAt, gate: &gate)
        default:
            switch response.rcode {
            case .serverFailure: counters.add(.upstreamServerFailures)
            case .refused: counters.add(.upstreamRefusals)
            default: counters.add(.upstreamOtherErrors)
            }
            transaction.kept = answer
            take(.answeredBadly, slot, transaction, gate: &gate)
        }
    }

    // MARK: ending

    private mutating func giveUp<G: AnswerGate & ~Copyable>(_ slot: Int, _ transaction: Transaction, gate: inout G) {
        let answer: Answer
        if let kept = transaction.kept {
            counters.add(.failedUpstreams)
            answer = kept
        } else {
            let reason: ExtendedDNSError
            if let fault = transaction.lastFault {
                counters.add(.failedMalformedAnswer)
                reason = .invalidData("upstream's answer refused: \(fault.label)")
            } else {
                counters.add(.failedUpstreams)
                reason = .noReachableAuthority("no upstream answered")
            }
            answer = Answer(
                key: transaction.key, hash: transaction.hash, failure: reason, storedAt: now,
                lifetimeSeconds: configuration.failureLifetimeSeconds)
        }
        let stale = transaction.stale.flatMap { cache.isStale($0, now: now) ? $0 : nil }
        finish(slot, transaction, answer, stale: stale, readAt: now, gate: &gate)
    }

    /// Keeps the answer and gives it, or `stale` in its place, to everybody who waits, each through the gate on his own account.
    private mutating func finish<G: AnswerGate & ~Copyable>(
        _ slot: Int, _ transaction: Transaction, _ answer: Answer, stale: Answer? = nil, readAt: Instant, gate: inout G
    ) {
        inFlight[transaction.key] = nil
        attemptDeadlines.remove(slot)
        if configuration.keepsStale { staleDeadlines.remove(slot) }
        if transaction.isRefresh { refreshCount -= 1 }
        retire(transaction)
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
            if let left = waitingBySource[waiting.source] { waitingBySource[waiting.source] = left > 1 ? left - 1 : nil }
            defer { noteEnd(of: waiting) }
            if case .connection(let slot, let generation) = waiting.origin {
                guard let connection = connection(slot, generation) else { continue }
                connection.waitingQueries -= 1
                mark(connection)
            }
            if isStale { deliver(answer, as: .stale, to: waiting, gate: &gate) } else { deliver(answer, to: waiting, gate: &gate) }
            if case .redial = waiting.origin { continue }
            unsentMisses.append((waiting.arrivedAt, readAt))
        }
        if unsentMisses.count >= 4 { flushDatagrams() }
    }
}

extension UpstreamReplyKind {
    /// Where a reply that is not ours is counted.
    fileprivate var counter: DNSCounter {
        switch self {
        case .wrongIdentifier: .wrongIdentifier
        case .wrongQuestion: .wrongQuestion
        case .wrongLetterCase: .wrongLetterCase
        default: .wrongForm
        }
    }
}
