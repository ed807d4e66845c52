import DNSMessages
import Enforcement
import NetworkTypes

/// From a client's query to its answer, whichever way it came.
extension DNSWorkerCore {
    /// Answers a message from the cache, refuses it, or has it wait for an upstream.
    mutating func handle<G: AnswerGate & ~Copyable>(_ message: Span<UInt8>, from source: IPAddress, _ origin: QueryOrigin, gate: inout G) {
        let query: DNSQuery
        do throws(MessageFault) {
            query = try DNSQuery(scanning: message)
        } catch {
            counters.addMalformedQuery(error)
            guard error.queryResponseCode != nil else { return }
            guard gate.client(at: source) != nil else {
                counters.add(.refusedUnknownClient)
                return
            }
            reply(to: origin) { DNSReply.write(error, toMalformed: message, into: &$0) }
            return
        }
        guard let client = gate.client(at: source) else {
            counters.add(.refusedUnknownClient)
            refuse(query, origin, .refused, .prohibited("not a client of this resolver"))
            return
        }
        if let edns = query.edns, edns.version != 0 {
            counters.add(.refusedVersion)
            reply(to: origin) { DNSReply.writeBadVersion(to: query, into: &$0) }
            return
        }
        guard query.qtype != .any else {
            counters.add(.refusedAny)
            refuse(query, origin, .notImplemented, .notSupported("ask for a type (RFC 8482)"))
            return
        }
        let key = query.cacheKey
        let hash = UInt64(bitPattern: Int64(key.hashValue))
        if let answer = cache.find(key, hash: hash, now: now) {
            counters.add(.cacheHits)
            deliver(answer, to: query, client, origin, gate: &gate)
        } else {
            counters.add(.cacheMisses)
            let waiting = WaitingQuery(query: query, client: client, source: source, origin: origin, arrivedAt: now)
            forward(waiting, key: key, hash: hash, gate: &gate)
        }
    }

    /// Gives an answer to one client: what it teaches is learned for that client first, and only then is it written where it will be sent.
    mutating func deliver<G: AnswerGate & ~Copyable>(
        _ answer: Answer, to query: DNSQuery, _ client: DNSClient, _ origin: QueryOrigin, gate: inout G
    ) {
        switch answer.content {
        case .failure(let reason):
            refuse(query, origin, .serverFailure, reason)
        case .message(let bytes, let response):
            let age = answer.ageSeconds(now: now)
            // What must not be kept is passed on with its own TTLs (an error, a negative answer without SOA record) or with 0.
            var cap = response.cacheTTL == nil ? UInt32.max : answer.lifetimeSeconds - min(age, answer.lifetimeSeconds)
            let sizeMax = self.sizeMax(of: query, origin)
            let isCut = response.isTruncated || response.bodyEnd + (query.edns == nil ? 0 : 11) > sizeMax
            // An answer cut short hands out no address; the client asks again over TCP.
            if !isCut, !response.addresses.isEmpty, response.qtype.teachesAddresses, case .endpoint = client {
                let left = response.cacheTTL == nil ? 0 : cap
                let release = gate.learn(response.qname, addresses: response.addresses, timeToLiveSeconds: left, client: client, now: now)
                switch release {
                case .release(let timeToLiveCapSeconds): cap = min(cap, timeToLiveCapSeconds)
                case .refuse(let refusal): return refuse(query, origin, refusal)
                }
            }
            if isCut { counters.add(.answersTruncated) }
            reply(to: origin) {
                DNSReply.write(
                    bytes.span, of: response, to: query, ageSeconds: age, timeToLiveCapSeconds: cap, sizeMax: sizeMax, into: &$0)
            }
        }
    }

    private func sizeMax(of query: DNSQuery, _ origin: QueryOrigin) -> Int {
        switch origin {
        case .datagram: query.udpReplySizeMax(configuredMax: configuration.datagramBytesMax)
        case .connection: 65_535
        }
    }

    private mutating func refuse(_ query: DNSQuery, _ origin: QueryOrigin, _ refusal: AnswerRefusal) {
        switch refusal {
        case .addressesPerNameFull:
            counters.add(.refusedAddressesPerName)
            refuse(query, origin, .serverFailure, .other("too many addresses for one name"))
        case .namesPerClientFull:
            counters.add(.refusedNamesPerClient)
            refuse(query, origin, .serverFailure, .other("too many names for one client"))
        case .bindingsFull:
            counters.add(.refusedBindings)
            refuse(query, origin, .serverFailure, .other("binding table full"))
        case .rebinding:
            counters.add(.refusedRebinding)
            refuse(query, origin, .refused, .blocked("internal address in an answer from outside"))
        case .unknownClient:
            counters.add(.refusedEndpointGone)
            refuse(query, origin, .refused, .prohibited("no longer a client of this resolver"))
        }
    }

    mutating func refuse(_ query: DNSQuery, _ origin: QueryOrigin, _ code: ResponseCode, _ reason: ExtendedDNSError) {
        reply(to: origin) { DNSReply.write(code, to: query, extendedError: reason, into: &$0) }
    }

    /// Has `write` write a reply into the buffer it will be sent from; nil from it sends nothing.
    private mutating func reply(to origin: QueryOrigin, _ write: (inout MutableSpan<UInt8>) -> Int?) {
        switch origin {
        case .datagram(let listener, let path):
            if unsentCount == unsent.capacity || unsentListener != listener { flushDatagrams() }
            unsentListener = listener
            let buffer = unsafe unsent.buffer(unsentCount)
            var span = unsafe buffer.mutableSpan
            guard let count = write(&span) else { return }
            unsent.commit(unsentCount, count: count, path: path)
            unsentCount += 1
            counters.add(.answersUDP)
        case .connection(let slot, let generation):
            guard let connection = connection(slot, generation) else { return }
            let buffer = unsafe replyBuffer
            var span = unsafe buffer.mutableSpan
            guard let count = write(&span) else { return }
            let message = unsafe UnsafeBufferPointer(rebasing: buffer[..<count])
            connection.enqueue(unsafe message.span)
            mark(connection)
            counters.add(.answersTCP)
        }
    }
}

extension RecordType {
    /// A and AAAA answers teach. Address hints in HTTPS and SVCB records are passed on but not learned.
    fileprivate var teachesAddresses: Bool { self == .a || self == .aaaa }
}
