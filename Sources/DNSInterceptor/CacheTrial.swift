import DNSMessages
import NetworkTypes

/// The cache under a trace of numbers in place of names, to compare what it evicts with other ways to do that.
package struct CacheTrial {
    private var cache: AnswerCache
    private let now = Instant(seconds: 1)

    package init(bytesMax: Int, entriesMax: Int) { cache = AnswerCache(bytesMax: bytesMax, entriesMax: entriesMax) }

    package var count: Int { cache.count }
    package var bytes: Int { cache.bytes }

    /// Asks for a name; true if it was there. It is kept if it was not.
    package mutating func ask(_ number: Int) -> Bool {
        let label = Array(String(number + 1_000_000_000).utf8)
        var message: [UInt8] = [0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, UInt8(label.count)]
        message += label + [4] + Array("test".utf8) + [0, 0, 1, 0, 1]
        guard let query = try? DNSQuery(scanning: message.span) else { preconditionFailure("a well-formed query") }
        let hash = cache.hash(message.span, query.head)
        if cache.find(message.span, query.head, hash: hash, now: now) != nil { return true }
        cache.store(Answer(key: query.cacheKey, hash: hash, failure: .other(""), storedAt: now, lifetimeSeconds: 60), now: now)
        return false
    }
}
