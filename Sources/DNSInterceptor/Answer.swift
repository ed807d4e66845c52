import DNSMessages
import NetworkTypes

/// What a question came to: an upstream's answer, checked, or the failure to get one. Ready to be given to any number of clients.
///
/// Immutable and shared between the cache and the clients that wait.
final class Answer: Sendable {
    enum Content: Sendable {
        /// The first `bodyEnd` bytes of the upstream's message, and what the parser found in it.
        case message(bytes: [UInt8], DNSResponse)
        /// SERVFAIL of our own.
        case failure(ExtendedDNSError)
    }

    let key: CacheKey
    /// `key.hashValue`.
    let hash: UInt64
    let content: Content
    let storedAt: Instant
    /// How long it may be given out, from `storedAt`; 0: only to those who wait for it now.
    let lifetimeSeconds: UInt32

    init(key: CacheKey, hash: UInt64, content: Content, storedAt: Instant, lifetimeSeconds: UInt32) {
        self.key = key
        self.hash = hash
        self.content = content
        self.storedAt = storedAt
        self.lifetimeSeconds = lifetimeSeconds
    }

    /// An upstream's message; its lifetime follows RFC 2308 within the configured ceilings.
    convenience init(
        key: CacheKey, hash: UInt64, message: Span<UInt8>, response: DNSResponse, now: Instant, configuration: DNSWorkerConfiguration
    ) {
        let lifetime: UInt32
        switch response.rcode {
        case .noError, .nameError:
            let ceiling = response.isNegative ? configuration.negativeSecondsMax : configuration.positiveSecondsMax
            lifetime = min(response.cacheTTL ?? 0, ceiling)
        default:
            lifetime = configuration.failureLifetimeSeconds
        }
        let body = message.extracting(first: response.bodyEnd)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(body.count)
        for index in 0..<body.count { bytes.append(body[index]) }
        self.init(key: key, hash: hash, content: .message(bytes: bytes, response), storedAt: now, lifetimeSeconds: lifetime)
    }

    /// Whole seconds since it was stored, rounded down.
    func ageSeconds(now: Instant) -> UInt32 { UInt32(clamping: now.nanoseconds(since: storedAt) / 1_000_000_000) }

    func isExpired(now: Instant) -> Bool { ageSeconds(now: now) >= lifetimeSeconds }

    /// Memory that it takes, estimated: the object with its key, and the arrays with their heads.
    var byteCost: Int {
        switch content {
        case .message(let bytes, let response): 800 + bytes.count + 24 * response.addresses.count + 2 * response.ttlOffsets.count
        case .failure: 480
        }
    }
}
