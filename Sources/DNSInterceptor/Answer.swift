import DNSMessages
import DomainNames
import NetworkTypes

/// What a question came to: an upstream's answer, checked, or the failure to get one. Ready to be given to any number of clients.
///
/// Immutable and shared between the cache and the clients that wait. Bytes and TTL offsets lie side by side in storage of its own, so that
/// giving it out touches little memory and counts no references but its own:
///
///     | TTL offsets, two bytes each | bytes |
@safe
final class Answer: @unchecked Sendable {
    /// Of the question, as the cache's hasher gives it.
    let hash: UInt64
    let storedAt: Instant
    /// How long it may be given out, from `storedAt`; 0: only to those who wait for it now.
    let lifetimeSeconds: UInt32
    /// The age from which it is near its end: in the last tenth of its lifetime, or the last second of at least five.
    let refreshAgeSeconds: UInt32
    /// Two more parts of the question.
    let isDNSSECOK: Bool
    let isCheckingDisabled: Bool
    /// Whether it says that there is no such name or data, or that it cannot be had.
    let isDenial: Bool
    /// Whether it says of the very name asked for that it does not exist, and no chain leads elsewhere: then nothing below exists (RFC 8020 §2).
    let deniesName: Bool
    /// Whether it may be kept at all; else its TTLs are passed on as they are.
    let isCacheable: Bool
    /// A and AAAA answers teach; those of HTTPS and SVCB by their address hints, if that is configured.
    let teaches: Bool
    /// Nil: SERVFAIL of our own.
    let stored: StoredAnswer?
    let addresses: [IPAddress]
    let qname: DomainName
    /// The upstream that gave it; nil of what is our own.
    let server: IPAddress?
    /// Why, if it is a failure of our own.
    let failure: ExtendedDNSError?
    /// What counted the failure, ours or an upstream's.
    let cause: DNSCounter?
    /// An upstream's answer that clients must not have: answered REFUSED, and counted by `cause` each time.
    let isRefusal: Bool
    private let storage: UnsafeMutableRawPointer
    private let offsetCount: Int
    private let byteCount: Int

    /// An upstream's message; its lifetime follows RFC 2308 within the configured ceilings.
    init(
        key: CacheKey, hash: UInt64, message: Span<UInt8>, response: DNSResponse, now: Instant, configuration: DNSWorkerConfiguration,
        mayTeach: Bool = true, server: IPAddress? = nil
    ) {
        switch response.rcode {
        case .noError, .nameError:
            cause = nil
            let ceiling = response.isNegative ? configuration.negativeSecondsMax : configuration.positiveSecondsMax
            var seconds = response.cacheTTL ?? 0
            if response.isNegative, response.isCacheable, configuration.search.suffix(of: response.qname) != nil {
                seconds = max(seconds, configuration.search.negativeSecondsMin)
            }
            lifetimeSeconds = min(seconds, ceiling)
        default:
            cause = .failedUpstreams
            lifetimeSeconds = configuration.failureLifetimeSeconds
        }
        refreshAgeSeconds = Self.refreshAgeSeconds(lifetimeSeconds)
        (unsafe storage, offsetCount, byteCount) = unsafe Self.store(message.extracting(first: response.bodyEnd), response.ttlOffsets)
        self.hash = hash
        storedAt = now
        isDNSSECOK = key.isDNSSECOK
        isCheckingDisabled = key.isCheckingDisabled
        isDenial = response.isNegative || response.rcode != .noError
        isCacheable = response.isCacheable
        deniesName = response.rcode == .nameError && response.isCacheable && response.chainLength == 0 && response.minimumTTL == nil
        teaches =
            mayTeach && !response.addresses.isEmpty
            && (response.qtype == .a || response.qtype == .aaaa
                || (response.qtype.isServiceBinding && configuration.serviceBindings.hints == .learn))
        stored = StoredAnswer(response)
        addresses = response.addresses
        qname = response.qname
        self.server = server
        failure = nil
        isRefusal = false
    }

    /// A failure of our own.
    init(
        key: CacheKey, hash: UInt64, failure: ExtendedDNSError, cause: DNSCounter? = nil, isRefusal: Bool = false, storedAt: Instant,
        lifetimeSeconds: UInt32
    ) {
        self.hash = hash
        self.storedAt = storedAt
        self.lifetimeSeconds = lifetimeSeconds
        refreshAgeSeconds = lifetimeSeconds
        isDNSSECOK = key.isDNSSECOK
        isCheckingDisabled = key.isCheckingDisabled
        isDenial = true
        isCacheable = false
        deniesName = false
        teaches = false
        (unsafe storage, offsetCount, byteCount) = unsafe Self.store(key.question.span, [])
        stored = nil
        addresses = []
        qname = key.qname
        server = nil
        self.failure = failure
        self.cause = cause
        self.isRefusal = isRefusal
    }

    private static func refreshAgeSeconds(_ lifetime: UInt32) -> UInt32 { lifetime < 5 ? lifetime : lifetime - max(1, lifetime / 10) }

    deinit { unsafe storage.deallocate() }

    private static func store(_ bytes: Span<UInt8>, _ offsets: [UInt16]) -> (UnsafeMutableRawPointer, Int, Int) {
        let storage = UnsafeMutableRawPointer.allocate(byteCount: 2 * offsets.count + bytes.count, alignment: 2)
        for index in 0..<offsets.count { unsafe storage.storeBytes(of: offsets[index], toByteOffset: 2 * index, as: UInt16.self) }
        for index in 0..<bytes.count {
            unsafe storage.storeBytes(of: bytes[index], toByteOffset: 2 * offsets.count + index, as: UInt8.self)
        }
        return unsafe (storage, offsets.count, bytes.count)
    }

    /// Runs `body` with the first `bodyEnd` bytes of the upstream's message, or header and question alone, and with where TTLs are in them.
    func withBytes<R>(_ body: (_ bytes: Span<UInt8>, _ timeToLiveOffsets: Span<UInt16>) -> R) -> R {
        // Sound: the storage was filled with as much at the start, is never written again, and lives as long as this.
        let offsets = unsafe UnsafeBufferPointer(start: storage.assumingMemoryBound(to: UInt16.self), count: offsetCount)
        let bytes = unsafe UnsafeBufferPointer(
            start: storage.advanced(by: 2 * offsetCount).assumingMemoryBound(to: UInt8.self), count: byteCount)
        return withExtendedLifetime(self) { unsafe body(bytes.span, offsets.span) }
    }

    /// Whether this is what a query asks for; `message` is the one that `query` was scanned in.
    func answers(_ query: QueryHead, in message: Span<UInt8>) -> Bool {
        withBytes { bytes, _ in
            query.asksFor(bytes, isDNSSECOK: isDNSSECOK, isCheckingDisabled: isCheckingDisabled, in: message)
        }
    }

    /// Whether both answer the same question.
    func answersTheSame(as other: Answer) -> Bool {
        hash == other.hash && isDNSSECOK == other.isDNSSECOK && isCheckingDisabled == other.isCheckingDisabled
            && withBytes { bytes, _ in other.withBytes { others, _ in CacheKey.isSameQuestion(bytes, others) } }
    }

    /// Whole seconds since it was stored, rounded down.
    func ageSeconds(now: Instant) -> UInt32 { UInt32(clamping: now.nanoseconds(since: storedAt) / 1_000_000_000) }

    /// Neither data nor the word that there is none: SERVFAIL and the like, or TC alone. A refusal of our own is none: it is what the upstream's data
    /// came to.
    var isFailure: Bool { stored.map { $0.isTruncated || ($0.rcode != .noError && $0.rcode != .nameError) } ?? !isRefusal }

    func isExpired(now: Instant) -> Bool { ageSeconds(now: now) >= lifetimeSeconds }

    /// Memory that it takes, estimated: the object, and the arrays with their heads.
    var byteCost: Int { 400 + byteCount + qname.rootFirst.count + 24 * addresses.count + 2 * offsetCount }
}
