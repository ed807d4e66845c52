import DNSMessages
import Glibc

/// A question in flight towards upstreams, and everybody who waits for its answer.
///
/// One socket of its own for each attempt: the kernel gives it a random port, and, being connected, lets through only what comes from the
/// server and port that were asked. Owned by the worker.
final class Transaction {
    /// The query that started it, which is what is forwarded.
    let query: DNSQuery
    let key: CacheKey
    /// The cache's, of the question.
    let hash: UInt64
    /// Tells this transaction from earlier ones in the same slot.
    let generation: UInt32
    var plan: ForwardingPlan
    var waiting: [WaitingQuery] = []
    /// An answer to give if no upstream has a better one.
    var kept: Answer?
    /// What the cache holds to the same question: to be given out instead of a failure once it has expired.
    var stale: Answer?
    /// Those who wait have been given `stale`.
    var isLate = false
    /// Nobody waited at its start.
    var isRefresh = false
    /// Why the last upstream message could not be used.
    var lastFault: MessageFault?

    /// The socket of the current attempt, or -1.
    var descriptor: Int32 = -1
    var isTCP = false
    var hasEDNS = true
    var id: UInt16 = 0
    /// The question as it was sent: name in its random case, type, class.
    var question: [UInt8] = []
    /// TCP: the framed query and how much of it is sent; the bytes received.
    var output: [UInt8] = []
    var outputSent = 0
    var input: [UInt8] = []

    init(query: DNSQuery, key: CacheKey, hash: UInt64, generation: UInt32, plan: ForwardingPlan) {
        self.query = query
        self.key = key
        self.hash = hash
        self.generation = generation
        self.plan = plan
    }

    deinit { if descriptor >= 0 { close(descriptor) } }
}
