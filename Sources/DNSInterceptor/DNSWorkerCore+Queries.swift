import DNSMessages
import Enforcement
import NetworkTypes

/// From a client's query to its answer, whichever way it came.
extension DNSWorkerCore {
    /// Answers a message from the cache, refuses it, or has it wait for an upstream.
    mutating func handle<G: AnswerGate & ~Copyable>(_ message: Span<UInt8>, from source: IPAddress, _ origin: QueryOrigin, gate: inout G) {
        let query: QueryHead
        do throws(MessageFault) {
            query = try QueryHead(scanning: message)
        } catch {
            counters.addMalformedQuery(error)
            guard error.queryResponseCode != nil else { return }
            guard gate.client(at: source, ofClass: classNumber(origin)) != nil else {
                counters.add(.refusedUnknownClient)
                return
            }
            reply(to: origin) { DNSReply.write(error, toMalformed: message, into: &$0) }
            return
        }
        let name = message.extracting(query.nameRange)
        guard let client = gate.client(at: source, ofClass: classNumber(origin)) else {
            counters.add(.refusedUnknownClient)
            // Over UDP whoever is told may be somebody else than who asked.
            if case .datagram = origin, !strangers.take(now: now) { return note(0, origin, .refused, cause: .refusedUnknownClient) }
            refuse(query, name, origin, .refused, .prohibited("not a client of this resolver"), .refusedUnknownClient)
            return
        }
        if let edns = query.edns, edns.version != 0 {
            counters.add(.refusedVersion)
            let count = reply(to: origin) { DNSReply.write(.badVersion, to: query, name: name, into: &$0) }
            tally(count, query, .badVersion, origin, .refused)
            return note(count, origin, .refused, cause: .refusedVersion)
        }
        guard query.qtype != .any else {
            counters.add(.refusedAny)
            refuse(query, name, origin, .notImplemented, .notSupported("ask for a type (RFC 8482)"), .refusedAny)
            return
        }
        let hash = cache.hash(message, query)
        if let hit = cache.find(message, query, hash: hash, now: now) {
            counters.add(.cacheHits)
            if gate.refusesNames, let refusal = gate.refusal(of: hit.answer.qname, client: client) {
                return reject(query, name, origin, refusal)
            }
            deliver(hit.answer, hit, to: query, name, client, origin, gate: &gate)
            if hit.wantsRefresh { prefetch(hit, DNSQuery(query, of: message), for: ClientShare(client, at: source), gate: &gate) }
        } else {
            counters.add(.cacheMisses)
            let whole = DNSQuery(query, of: message)
            if gate.refusesNames, let refusal = gate.refusal(of: whole.qname, client: client) {
                return reject(query, name, origin, refusal)
            }
            var waiting = WaitingQuery(query: whole, client: client, source: source, origin: origin, arrivedAt: now)
            let key = whole.cacheKey
            if let answer = localAnswer(whole, key, hash: hash) { return deliver(answer, as: .local, to: waiting, gate: &gate) }
            if let domain = tunnels.suspect(waiting, now: now) {
                guard configuration.tunnels.mode == .observe else { return rejectTunnel(query, name, origin, domain) }
                counters.add(.tunnelSuspects)
                waiting.isSuspect = true
            }
            // Of what is answered at once, for the log.
            isSuspect = waiting.isSuspect
            defer { isSuspect = false }
            if let answer = denial(above: whole, key, hash: hash) {
                counters.add(.cacheCuts)
                return deliver(answer, as: .cut, to: waiting, gate: &gate)
            }
            guard let stale = cache.findStale(message, query, hash: hash, now: now) else {
                return forward(waiting, key: key, hash: hash, gate: &gate)
            }
            forward(waiting, key: key, stale, gate: &gate)
        }
    }

    func classNumber(_ origin: QueryOrigin) -> UInt8 {
        switch origin {
        case .datagram(let listener, _): listeners[listener].classNumber
        case .connection(let slot, let generation): connection(slot, generation)?.classNumber ?? 0
        // Flows of classes are not held.
        case .redial: 0
        }
    }

    /// Gives an answer to one client: what it teaches is learned for that client first, and only then is it written where it will be sent.
    mutating func deliver<G: AnswerGate & ~Copyable>(
        _ answer: Answer, _ hit: AnswerCache.Hit?, to query: QueryHead, _ name: Span<UInt8>, _ client: DNSClient, _ origin: QueryOrigin,
        gate: inout G
    ) {
        guard let stored = answer.stored else {
            return refuse(query, name, origin, answer, hit == nil ? .miss : .hit)
        }
        let age = answer.ageSeconds(now: now)
        // What must not be kept is passed on with its own TTLs (an error, a negative answer without SOA record) or with 0.
        var cap = answer.isCacheable ? answer.lifetimeSeconds - min(age, answer.lifetimeSeconds) : UInt32.max
        let sizeMax = self.sizeMax(of: query, origin)
        let isCut = stored.isCut(to: sizeMax, for: query)
        // An answer cut short hands out no address; the client asks again over TCP.
        if !isCut, answer.teaches, case .endpoint(let endpoint) = client {
            // Read before the gate learns: what is withdrawn from here on, by another worker too, makes the lesson void.
            let era = gate.era
            if let hit, let era, let known = cache.lesson(of: hit)?.timeToLiveSeconds(for: endpoint, era: era, now: now) {
                cap = min(cap, known)
            } else {
                let left = answer.isCacheable ? cap : 0
                let release = gate.learn(answer.qname, addresses: answer.addresses, timeToLiveSeconds: left, client: client, now: now)
                switch release {
                case .release(let timeToLiveCapSeconds):
                    cap = min(cap, timeToLiveCapSeconds)
                    link?.flights.noteAnswer(endpoint)
                case .refuse(let refusal): return refuse(query, name, origin, refusal)
                }
                if let hit, let era, let lesson = Lesson(endpoint, era: era, timeToLiveSeconds: min(left, cap), now: now) {
                    cache.note(lesson, of: hit)
                }
            }
        }
        if isCut { counters.add(.answersTruncated) }
        if case .redial(let slot) = origin { return end(redial: slot, with: answer.addresses) }
        let count = reply(to: origin) { buffer in
            answer.withBytes { bytes, offsets in
                DNSReply.write(
                    bytes, stored, timeToLiveOffsets: offsets, to: query, name: name, ageSeconds: age, timeToLiveCapSeconds: cap,
                    sizeMax: sizeMax, into: &buffer)
            }
        }
        if counters.replies != nil { tally(count, query, stored.rcode, origin, hit == nil ? .miss : .hit, isDenial: answer.isDenial) }
        if configuration.log != nil { note(count, origin, hit == nil ? .miss : .hit, answer) }
    }

    func sizeMax(of query: QueryHead, _ origin: QueryOrigin) -> Int {
        switch origin {
        case .datagram: query.udpReplySizeMax(configuredMax: configuration.datagramBytesMax)
        case .connection, .redial: 65_535
        }
    }

    mutating func refuse(_ query: QueryHead, _ name: Span<UInt8>, _ origin: QueryOrigin, _ refusal: AnswerRefusal) {
        switch refusal {
        case .addressesPerNameFull:
            counters.add(.refusedAddressesPerName)
            refuse(query, name, origin, .serverFailure, .other("too many addresses for one name"), .refusedAddressesPerName)
        case .namesPerClientFull:
            counters.add(.refusedNamesPerClient)
            refuse(query, name, origin, .serverFailure, .other("too many names for one client"), .refusedNamesPerClient)
        case .bindingsFull:
            counters.add(.refusedBindings)
            refuse(query, name, origin, .serverFailure, .other("binding table full"), .refusedBindings)
        case .rebinding:
            counters.add(.refusedRebinding)
            refuse(query, name, origin, .refused, .blocked("internal address in an answer from outside"), .refusedRebinding)
        case .deniedName, .exclusiveName, .notAllowedName:
            reject(query, name, origin, NameRefusal(refusal))
        case .unknownClient:
            counters.add(.refusedEndpointGone)
            refuse(query, name, origin, .refused, .prohibited("no longer a client of this resolver"), .refusedEndpointGone)
        }
    }

    /// Gives out a failure of our own, or a refusal, which is counted each time.
    mutating func refuse(
        _ query: QueryHead, _ name: Span<UInt8>, _ origin: QueryOrigin, _ answer: Answer, _ lookup: DNSLogRecord.Lookup
    ) {
        if answer.isRefusal, let cause = answer.cause { counters.add(cause) }
        refuse(
            query, name, origin, answer.isRefusal ? .refused : .serverFailure, answer.failure ?? .other("no answer"), answer.cause,
            lookup: lookup)
    }

    /// Refuses a query for the sake of its name.
    private mutating func reject(_ query: QueryHead, _ name: Span<UInt8>, _ origin: QueryOrigin, _ refusal: NameRefusal) {
        let (text, cause): (String, DNSCounter) =
            switch refusal.reason {
            case .exclusiveName: ("policy keeps this name for others", .refusedExclusiveName)
            case .notAllowedName: ("no rule could allow this name", .refusedNotAllowedName)
            default: ("policy denies this name", .refusedDeniedName)
            }
        reject(query, name, origin, refusal.rule.map { "\(text): \($0)" } ?? text, cause, rule: refusal.rule)
    }

    /// Refuses a query in the form that the configuration wants (`dns.rejectResponse`, `dns.rejectError`).
    mutating func reject(
        _ query: QueryHead, _ name: Span<UInt8>, _ origin: QueryOrigin, _ text: String, _ cause: DNSCounter, rule: String? = nil
    ) {
        counters.add(cause)
        let reason = ExtendedDNSError(code: configuration.rejectError.rawValue, text: text)
        let code: ResponseCode
        switch configuration.rejectResponse {
        case .refused: code = .refused
        case .nameError: code = .nameError
        case .noData: code = .noError
        case .sinkhole(let v4, let v6):
            code = .noError
            guard let address = query.qtype == .a ? v4 : query.qtype == .aaaa ? v6 : nil else { break }
            let count = reply(to: origin) {
                DNSReply.write(address, timeToLiveSeconds: 1, to: query, name: name, extendedError: reason, into: &$0)
            }
            tally(count, query, code, origin, .refused)
            return note(count, origin, .refused, cause: cause, rule: rule)
        }
        refuse(query, name, origin, code, reason, cause, rule: rule)
    }

    /// `cause` is what was counted, for the log.
    mutating func refuse(
        _ query: QueryHead, _ name: Span<UInt8>, _ origin: QueryOrigin, _ code: ResponseCode, _ reason: ExtendedDNSError,
        _ cause: DNSCounter? = nil, rule: String? = nil, lookup: DNSLogRecord.Lookup = .refused
    ) {
        let count = reply(to: origin) { DNSReply.write(code, to: query, name: name, extendedError: reason, into: &$0) }
        tally(count, query, code, origin, lookup, isDenial: true)
        note(count, origin, lookup, cause: cause, rule: rule)
    }

    /// Has `write` write a reply into the buffer it will be sent from; nil from it sends nothing. The bytes that it wrote; 0: nothing is sent.
    @discardableResult
    mutating func reply(to origin: QueryOrigin, _ write: (inout MutableSpan<UInt8>) -> Int?) -> Int {
        switch origin {
        case .datagram(let listener, let path):
            if unsentCount == unsent.capacity || unsentListener != listener { flushDatagrams() }
            unsentListener = listener
            let buffer = unsafe unsent.buffer(unsentCount)
            var span = unsafe buffer.mutableSpan
            guard let count = write(&span) else { return 0 }
            unsent.commit(unsentCount, count: count, path: path)
            unsentCount += 1
            counters.add(.answersUDP)
            return count
        case .connection(let slot, let generation):
            guard let connection = connection(slot, generation) else { return 0 }
            let buffer = unsafe replyBuffer
            var span = unsafe buffer.mutableSpan
            guard let count = write(&span) else { return 0 }
            let message = unsafe UnsafeBufferPointer(rebasing: buffer[..<count])
            connection.enqueue(unsafe message.span)
            mark(connection)
            counters.add(.answersTCP)
            return count
        case .redial(let slot):
            // Only refusals come this way.
            end(redial: slot, with: [])
            return 0
        }
    }
}
