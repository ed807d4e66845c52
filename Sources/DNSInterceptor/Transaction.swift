import DNSMessages
import Glibc
import NetworkTypes

/// A question in flight towards upstreams, and everybody who waits for its answer; or a probe, for which nobody waits.
///
/// Owned by the worker; closes its sockets when it goes.
final class Transaction {
    /// The query that started it, which is what is forwarded.
    let query: DNSQuery
    let key: CacheKey
    /// The cache's, of the question.
    let hash: UInt64
    /// Of the worker's zones: whose upstreams are asked.
    let zone: Int
    /// Tells this transaction from earlier ones in the same slot.
    let generation: UInt32
    /// Asks whether an upstream that is down answers again: one attempt, without a plan.
    let isProbe: Bool
    /// Of a probe: when it went out.
    var startedAt = Instant(nanoseconds: 0)
    var plan: ForwardingPlan
    var waiting: [WaitingQuery] = []
    /// An answer to give if no upstream has a better one.
    var kept: Answer?
    /// What the cache holds to the same question: to be given out instead of a failure once it has expired.
    var stale: Answer?
    /// Those who wait have been given `stale`.
    var isLate = false
    /// Nobody waited at its start, or when it was late.
    var isRefresh = false
    /// For whom it was begun; nil of a probe.
    let share: ClientShare?
    /// Why the last upstream message could not be used.
    var lastFault: MessageFault?
    /// Why the last TLS connection that it was to go over was no use.
    var lastTLSFault: TLSFault?

    private var attempts: (UpstreamAttempt, UpstreamAttempt) = (UpstreamAttempt(), UpstreamAttempt())

    init(
        query: DNSQuery, key: CacheKey, hash: UInt64, zone: Int, generation: UInt32, plan: ForwardingPlan, share: ClientShare?,
        isProbe: Bool = false
    ) {
        self.query = query
        self.key = key
        self.hash = hash
        self.zone = zone
        self.generation = generation
        self.plan = plan
        self.share = share
        self.isProbe = isProbe
    }

    deinit { for place in 0..<2 where self[place].descriptor >= 0 { close(self[place].descriptor) } }

    /// The attempt in a place of the plan, 0 or 1.
    subscript(place: Int) -> UpstreamAttempt {
        get { place == 0 ? attempts.0 : attempts.1 }
        set { if place == 0 { attempts.0 = newValue } else { attempts.1 = newValue } }
    }
}
