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
        let ofClient = waitingByShare[waiting.share, default: 0]
        guard waitingCount < configuration.waitersMax, ofClient < configuration.waitersPerClientMax,
            Self.leaves(configuration.waitersMax - waitingCount, of: configuration.waitersMax, to: ofClient)
        else {
            counters.add(.failedWaiters)
            return refuse(waiting, .other("too many queries waiting"), .failedWaiters, stale, gate: &gate)
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
        let zone = waiting.query.name.withSpan { zoneTable.zone(of: $0) }
        guard leavesRoom(ofClient, zone) else {
            counters.add(.failedWaiters)
            return refuse(waiting, .other("too many queries waiting"), .failedWaiters, stale, gate: &gate)
        }
        guard let slot = freeTransactions.popLast() else {
            counters.add(.failedOutstanding)
            return refuse(waiting, .networkError("too many questions in flight"), .failedOutstanding, stale, gate: &gate)
        }
        let plan = ForwardingPlan(
            now: now, startsOverTCP: startsOverTCP(waiting.origin, zones[zone].options), configuration: configuration)
        let transaction = Transaction(
            query: waiting.query, key: key, hash: hash, zone: zone, generation: nextGeneration(), plan: plan,
            share: waiting.share)
        transactions[slot] = transaction
        inFlight[key] = slot
        append(waiting, to: transaction)
        if let stale { setStale(stale, slot, transaction) }
        let first = transaction.plan.start(&zones[zone], configuration: configuration, now: now)
        carryOut(first, slot, transaction, gate: &gate)
        setDeadline(slot, transaction)
    }

    /// Whether a client that waits for so many answers may have another question asked.
    private func leavesRoom(_ ofClient: Int, _ zone: Int) -> Bool {
        let room = zones[zone].room
        return Self.leaves(freeTransactions.count, of: Self.outstandingMax(configuration), to: ofClient)
            && Self.leaves(room.left, of: room.most, to: ofClient)
    }

    /// Where less than half of the room is left nobody may have more than eight times what is left: one alone gets most of it, and however many are greedy,
    /// who asks for little finds some. That there is none at all is for others to tell.
    static func leaves(_ left: Int, of most: Int, to ofClient: Int) -> Bool {
        left == 0 || 2 * left > most || ofClient < 8 * left
    }

    /// A question goes out over TCP if that is forced, or if it came so and UDP is not preferred.
    private func startsOverTCP(_ origin: QueryOrigin, _ options: ForwardingOptions) -> Bool {
        switch origin {
        case .connection: options.forcesTCP || !options.prefersUDP
        case .datagram, .redial: options.forcesTCP
        }
    }

    private mutating func refuse<G: AnswerGate & ~Copyable>(
        _ waiting: WaitingQuery, _ reason: ExtendedDNSError, _ cause: DNSCounter, _ stale: Answer?, gate: inout G
    ) {
        if let stale {
            counters.add(.staleFailed)
            return deliver(stale, as: .stale, to: waiting, gate: &gate)
        }
        waiting.query.name.withSpan { refuse(waiting.query.head, $0, waiting.origin, .serverFailure, reason, cause) }
    }

    mutating func deliver<G: AnswerGate & ~Copyable>(_ answer: Answer, to waiting: WaitingQuery, gate: inout G) {
        waiting.query.name.withSpan { deliver(answer, nil, to: waiting.query.head, $0, waiting.client, waiting.origin, gate: &gate) }
    }

    private mutating func append(_ waiting: WaitingQuery, to transaction: Transaction) {
        transaction.waiting.append(waiting)
        waitingCount += 1
        waitingByShare[waiting.share, default: 0] += 1
        switch waiting.origin {
        case .connection(let slot, let generation): connection(slot, generation)?.waitingQueries += 1
        // Counted by who asked for it.
        case .redial: return
        case .datagram: break
        }
        if let link, case .endpoint(let endpoint) = waiting.client { link.flights.begin(endpoint) }
    }

    /// What a query taught is published, and its answer written: packets of its client need not wait for it any longer.
    func noteEnd(of waiting: WaitingQuery) {
        guard let link, case .endpoint(let endpoint) = waiting.client else { return }
        if case .redial = waiting.origin { return }
        link.flights.end(endpoint)
    }

    // MARK: steps

    mutating func take<G: AnswerGate & ~Copyable>(
        _ event: ForwardingPlan.Event, place: Int, _ slot: Int, _ transaction: Transaction, gate: inout G
    ) {
        guard !transaction.isProbe else { return endProbe(event, slot, transaction) }
        carryOut(step(event, place, transaction), slot, transaction, gate: &gate)
        setDeadline(slot, transaction)
    }

    private mutating func step(_ event: ForwardingPlan.Event, _ place: Int, _ transaction: Transaction) -> ForwardingPlan.Action {
        var wentDown = false
        let upstream = transaction.plan[place].upstream
        let wasUp = zones[transaction.zone].upstreams[upstream].isUp
        let action = transaction.plan.handle(
            event, place: place, &zones[transaction.zone], configuration: configuration, now: now, wentDown: &wentDown)
        if wentDown { noteDown(upstream, ofZone: transaction.zone) }
        if !wasUp, zones[transaction.zone].upstreams[upstream].isUp { noteUp(upstream, ofZone: transaction.zone) }
        return action
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
            case .abandon(let place):
                return retire(place, transaction)
            case .giveUp:
                return giveUp(slot, transaction, gate: &gate)
            case .ask(let place, let upstream, let overTCP, let withEDNS):
                retire(place, transaction)
                guard let failure = ask(place: place, upstream, overTCP, withEDNS, slot, transaction) else { return }
                counters.add(.upstreamSocketErrors)
                action = step(failure, place, transaction)
            }
        }
    }

    mutating func setDeadline(_ slot: Int, _ transaction: Transaction) {
        guard transactions[slot] === transaction, let deadline = transaction.plan.nextDeadline else { return }
        attemptDeadlines.set(slot, deadline: deadline)
    }

    /// Sends the question to an upstream of its zone; what went wrong, or nil.
    mutating func ask(
        place: Int, _ upstream: Int, _ overTCP: Bool, _ withEDNS: Bool, _ slot: Int, _ transaction: Transaction
    ) -> ForwardingPlan.Event? {
        var attempt = UpstreamAttempt()
        attempt.upstream = upstream
        attempt.isTCP = overTCP
        attempt.hasEDNS = withEDNS
        let isSecure = zones[transaction.zone].isSecure(upstream)
        // Cookies are for want of a connection (RFC 7873 §1).
        let cookie = zones[transaction.zone].options.sendsCookies && !isSecure ? zones[transaction.zone].upstreams[upstream].cookie : nil
        var buffer = InlineArray<512, UInt8>(repeating: 0)
        var span = buffer.mutableSpan
        guard
            let count = UpstreamQuery.write(
                for: transaction.query, id: 0, caseBits: caseBits(for: transaction.query), hasEDNS: withEDNS,
                udpPayloadSize: DNSReply.udpPayloadSizeDefault, cookie: cookie, isPadded: isSecure, into: &span)
        else { preconditionFailure("a query has at most 384 bytes") }
        // RD and AD do not belong to the cache key: every client's answer is made for both set.
        span[2] |= 0x01
        span[3] |= 0x20
        attempt.question = (12..<transaction.query.questionEnd).map { span[$0] }
        if overTCP {
            let asker = UpstreamConnection.Asker(slot: slot, generation: transaction.generation, place: place)
            let connection: UpstreamConnection
            do throws(ConnectFailure) {
                connection = try self.connection(to: upstream, ofZone: transaction.zone)
            } catch {
                return error == .refused ? .notConnected : .localFailure
            }
            guard let id = connection.begin(asker, using: &random) else { return .localFailure }
            counters.add(isSecure ? .upstreamQueriesTLS : .upstreamQueriesTCP)
            attempt.id = id
            attempt.connection = (connection.slot, connection.generation)
            span[0] = UInt8(truncatingIfNeeded: id >> 8)
            span[1] = UInt8(truncatingIfNeeded: id)
            connection.enqueue(buffer.span.extracting(first: count))
            if !connection.isShakingHands { upstreamIdleDeadlines.remove(connection.slot) }
            begin(attempt, place, transaction)
            flush(connection)
            return nil
        }
        attempt.id = UInt16.random(in: .min ... .max, using: &random)
        span[0] = UInt8(truncatingIfNeeded: attempt.id >> 8)
        span[1] = UInt8(truncatingIfNeeded: attempt.id)
        let target = zones[transaction.zone].addresses[upstream]
        let descriptor = DNSSockets.newSocket(target.address.family, SOCK_DGRAM)
        guard descriptor >= 0 else { return .localFailure }
        attempt.descriptor = descriptor
        begin(attempt, place, transaction)
        do throws(DNSSocketError) {
            if let mark = configuration.upstreamMark { try DNSSockets.set(descriptor, SOL_SOCKET, SO_MARK, Int32(bitPattern: mark)) }
            let place = place == 0 ? 0 : Self.secondPlace
            try poll.add(descriptor, token: Self.token(.transaction, slot: slot | place, generation: transaction.generation))
        } catch {
            return .localFailure
        }
        // The kernel picks a random free port for each socket (net/ipv4/udp.c, udp_lib_get_port).
        let status = unsafe SocketAddress(target.address, port: target.port).withPointer { unsafe connect(descriptor, $0, $1) }
        guard status == 0 else { return .failed }
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

    /// From now on the attempt counts as one in flight.
    private mutating func begin(_ attempt: UpstreamAttempt, _ place: Int, _ transaction: Transaction) {
        transaction[place] = attempt
        transaction[place].isOpen = true
        transaction[place].askedAt = now
        zones[transaction.zone].upstreams[attempt.upstream].inFlight += 1
        zones[transaction.zone].upstreams[attempt.upstream].tally.queries += 1
    }

    /// Sets the last attempt in a place aside, with its socket or its question on a connection.
    mutating func retire(_ place: Int, _ transaction: Transaction) {
        let attempt = transaction[place]
        guard attempt.isOpen else { return }
        transaction[place].isOpen = false
        transaction[place].descriptor = -1
        zones[transaction.zone].upstreams[attempt.upstream].inFlight -= 1
        if attempt.isTCP {
            if let connection = connection(of: attempt) { abandon(attempt.id, on: connection) }
        } else {
            poll.remove(attempt.descriptor)
            finishedDescriptors.append(attempt.descriptor)
        }
    }

    /// Of a question or a probe: something is late, or the pause between two probes is over.
    mutating func deadlineHasCome<G: AnswerGate & ~Copyable>(_ slot: Int, gate: inout G) {
        guard let transaction = transactions[slot] else { return startProbe(slot) }
        guard !transaction.isProbe else {
            let silent = giveUpIfSilent(transaction[0])
            endProbe(.timeout, slot, transaction)
            if let silent { failOver(silent, gate: &gate) }
            return
        }
        while transactions[slot] === transaction, let due = transaction.plan.due(now: now) {
            switch due {
            case .hedge: hedge(slot, transaction, gate: &gate)
            case .timeout(let place):
                counters.add(.upstreamTimeouts)
                if connection(of: transaction[place])?.isShakingHands == true { transaction.lastTLSFault = .handshakeTimeout }
                let hasConnected = connection(of: transaction[place])?.hasConnected ?? true
                let silent = giveUpIfSilent(transaction[place])
                take(hasConnected ? .timeout : .notConnected, place: place, slot, transaction, gate: &gate)
                if let silent { failOver(silent, gate: &gate) }
            }
        }
        setDeadline(slot, transaction)
    }

    private mutating func hedge<G: AnswerGate & ~Copyable>(_ slot: Int, _ transaction: Transaction, gate: inout G) {
        var wasDenied = false
        let action = transaction.plan.hedge(&zones[transaction.zone], configuration: configuration, now: now, wasDenied: &wasDenied)
        if wasDenied { counters.add(.upstreamHedgesDenied) }
        if case .ask = action { counters.add(.upstreamHedges) }
        carryOut(action, slot, transaction, gate: &gate)
    }

    // MARK: replies

    mutating func transactionIsReady<G: AnswerGate & ~Copyable>(_ slot: Int, _ generation: UInt32, place: Int, gate: inout G) {
        guard let transaction = transactions[slot], transaction.generation == generation, transaction[place].descriptor >= 0 else { return }
        datagramIsReady(slot, transaction, place, gate: &gate)
    }

    /// Reads until a reply settles the attempt; a few at a time, whatever is sent at us.
    private mutating func datagramIsReady<G: AnswerGate & ~Copyable>(_ slot: Int, _ transaction: Transaction, _ place: Int, gate: inout G) {
        let descriptor = transaction[place].descriptor
        let buffer = unsafe upstreamBuffer
        for _ in 0..<8 {
            let count = unsafe recv(descriptor, buffer.baseAddress, buffer.count, 0)
            guard count >= 0 else {
                if errno == EAGAIN || errno == EINTR { return }
                // ECONNREFUSED and the like: an ICMP error came back.
                counters.add(.upstreamSocketErrors)
                return take(.failed, place: place, slot, transaction, gate: &gate)
            }
            let readAt = Self.clock()
            now = readAt
            let message = unsafe UnsafeBufferPointer(rebasing: buffer[..<count])
            receive(unsafe message.span, slot, transaction, place: place, readAt: readAt, gate: &gate)
            if unsentMisses.count >= 4 { flushDatagrams() }
            guard transaction[place].descriptor == descriptor else { return }
        }
    }

    /// One message for an attempt.
    mutating func receive<G: AnswerGate & ~Copyable>(
        _ message: Span<UInt8>, _ slot: Int, _ transaction: Transaction, place: Int, readAt: Instant, gate: inout G
    ) {
        let attempt = transaction[place]
        let kind = UpstreamReplyKind(message, id: attempt.id, question: attempt.question.span, isEDNSSent: attempt.hasEDNS)
        switch kind {
        case .wrongForm, .wrongIdentifier, .wrongQuestion, .wrongLetterCase:
            counters.add(kind.counter)
            // Nobody but the server can write into a TCP connection: it answers something else, so it is no use.
            // Letter case guards against forgery, which TCP does by itself.
            if attempt.isTCP {
                guard kind == .wrongLetterCase else {
                    counters.add(connection(of: attempt)?.tls == nil ? .upstreamTCPFailures : .upstreamTLSFailures)
                    return take(.failed, place: place, slot, transaction, gate: &gate)
                }
                return receiveAnswer(message, slot, transaction, place, readAt: readAt, gate: &gate)
            }
            take(.wrongReply(differsInCase: kind == .wrongLetterCase), place: place, slot, transaction, gate: &gate)
        case .truncated:
            counters.add(.upstreamTruncated)
            take(.truncated, place: place, slot, transaction, gate: &gate)
        case .ednsRefused:
            if lacksCookie(message, transaction, place) {
                counters.add(.wrongCookie)
                return take(.cookieMissing, place: place, slot, transaction, gate: &gate)
            }
            counters.add(.upstreamWithoutEDNS)
            take(.ednsRefused, place: place, slot, transaction, gate: &gate)
        case .answer:
            receiveAnswer(message, slot, transaction, place, readAt: readAt, gate: &gate)
        }
    }

    /// The reply to our question: checked as a whole, then given out, or another upstream asked.
    private mutating func receiveAnswer<G: AnswerGate & ~Copyable>(
        _ message: Span<UInt8>, _ slot: Int, _ transaction: Transaction, _ place: Int, readAt: Instant, gate: inout G
    ) {
        // What it says is nobody's concern.
        guard !transaction.isProbe else { return endProbe(.answeredWell, slot, transaction) }
        let response: DNSResponse
        do throws(MessageFault) {
            response = try DNSResponse(parsing: message)
        } catch {
            return refuse(error, slot, transaction, place, gate: &gate)
        }
        if let refusal = cookieFault(of: response, in: message, transaction, place) {
            return take(refusal, place: place, slot, transaction, gate: &gate)
        }
        if response.rcode == .badVersion, transaction[place].hasEDNS {
            counters.add(.upstreamWithoutEDNS)
            return take(.ednsRefused, place: place, slot, transaction, gate: &gate)
        }
        let answer: Answer
        do throws(MessageFault) {
            answer = try self.answer(
                response, in: message, to: transaction, from: zones[transaction.zone].addresses[transaction[place].upstream].address)
        } catch {
            return refuse(error, slot, transaction, place, gate: &gate)
        }
        switch response.rcode {
        case .noError, .nameError:
            if place == 1 { counters.add(.upstreamHedgesWon) }
            take(.answeredWell, place: place, slot, transaction, gate: &gate)
            finish(slot, transaction, answer, readAt: readAt, gate: &gate)
        default:
            switch response.rcode {
            case .serverFailure: counters.add(.upstreamServerFailures)
            case .refused: counters.add(.upstreamRefusals)
            default: counters.add(.upstreamOtherErrors)
            }
            transaction.kept = response.rcode.isHopByHop ? failure(to: transaction) : answer
            take(.answeredBadly, place: place, slot, transaction, gate: &gate)
        }
    }

    /// For clients to whom the upstream's own words mean nothing.
    func failure(to transaction: Transaction) -> Answer {
        Answer(
            key: transaction.key, hash: transaction.hash, failure: .other("the upstream failed"), cause: .failedUpstreams, storedAt: now,
            lifetimeSeconds: configuration.failureLifetimeSeconds)
    }

    /// A reply that is not used. Whoever runs the zone may have written it: it says nothing about the upstream's health.
    private mutating func refuse<G: AnswerGate & ~Copyable>(
        _ fault: MessageFault, _ slot: Int, _ transaction: Transaction, _ place: Int, gate: inout G
    ) {
        counters.add(.upstreamMalformed)
        counters.addMalformedAnswer(fault)
        transaction.lastFault = fault
        take(.answeredBadly, place: place, slot, transaction, gate: &gate)
    }

    /// Whether a complaint about EDNS came over UDP without the cookie that its upstream gives: without EDNS no cookie would be looked at.
    private func lacksCookie(_ message: Span<UInt8>, _ transaction: Transaction, _ place: Int) -> Bool {
        let attempt = transaction[place]
        let expected = zones[transaction.zone].upstreams[attempt.upstream].cookie
        guard zones[transaction.zone].options.sendsCookies, !attempt.isTCP, expected.hasServerPart else { return false }
        let response = try? DNSResponse(parsing: message)
        return DNSCookie(in: message, optOffset: response?.optOffset)?.client != expected.client
    }

    /// Whether the cookie of a reply forbids to use it (RFC 7873 §5.3), and what became of it then. One that is right is learned.
    private mutating func cookieFault(
        of response: DNSResponse, in message: Span<UInt8>, _ transaction: Transaction, _ place: Int
    ) -> ForwardingPlan.Event? {
        let attempt = transaction[place]
        guard zones[transaction.zone].options.sendsCookies, attempt.hasEDNS else { return nil }
        let expected = zones[transaction.zone].upstreams[attempt.upstream].cookie
        let cookie = DNSCookie(in: message, optOffset: response.optOffset)
        if !attempt.isTCP {
            if let cookie, cookie.client != expected.client {
                counters.add(.wrongCookie)
                return .wrongReply(differsInCase: false)
            }
            if cookie == nil, expected.hasServerPart {
                // Forged, or of a server that gives cookies no more: TCP will tell.
                counters.add(.wrongCookie)
                return .cookieMissing
            }
        }
        zones[transaction.zone].upstreams[attempt.upstream].learn(cookie)
        guard response.rcode == .badCookie, cookie != nil else { return nil }
        counters.add(.upstreamCookiesRefused)
        return .cookieRefused
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
