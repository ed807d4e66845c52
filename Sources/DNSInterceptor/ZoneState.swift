import DNSMessages
import NetworkTypes

/// A zone as the worker forwards it: the state of its upstreams, and the choice among them.
///
/// A value: it gets the time and what happened. At most ``ForwardingZone/upstreamsMax`` upstreams, numbered from 0.
struct ZoneState {
    /// One hedge for ten questions, and this many at once: in thousandths.
    private static let hedgeCreditMax = 10_000
    private static let hedgeCreditPerQuestion = 100
    private static let hedgePrice = 1_000
    /// Upstreams slower than the quickest by half of its time and this are not as quick.
    private static let bandNanoseconds: UInt64 = 500_000

    let options: ForwardingZone
    /// The number that its first upstream has among all of the worker's.
    let firstUpstream: Int
    var upstreams: [UpstreamHealth]
    /// What an upstream that is down is asked: the NS records of the zone, which every server of it has.
    let probe: DNSQuery
    private let halvingNanoseconds: UInt64
    private var turn = 0
    private var hedgeCredit = hedgeCreditMax
    /// Nobody gains from guessing which upstream is next, so this need not be a good generator (xorshift, Marsaglia 2003).
    private var random: UInt64

    /// - Parameter random: gives the seed and the upstreams' cookies.
    init(
        _ options: ForwardingZone, firstUpstream: Int, halvingNanoseconds: UInt64, using random: inout some RandomNumberGenerator
    ) {
        self.options = options
        self.firstUpstream = firstUpstream
        upstreams = options.upstreams.prefix(ForwardingZone.upstreamsMax).map { _ in
            UpstreamHealth(clientCookie: random.next())
        }
        self.halvingNanoseconds = max(1, halvingNanoseconds)
        self.random = random.next() | 1
        // RFC 1035 §4.1: recursion wanted, one question of type NS and class IN.
        let message = [0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0] + options.name.wire + [0, 2, 0, 1]
        do throws(MessageFault) {
            probe = try DNSQuery(scanning: message.span)
        } catch {
            preconditionFailure("every domain name can be asked for: \(error)")
        }
    }

    var hedges: Bool { options.hedges && options.policy != .sequential && upstreams.count > 1 }

    /// Whether it is asked over TLS alone.
    func isSecure(_ upstream: Int) -> Bool { options.upstreams[upstream].tls != nil }

    /// Whether any upstream outside `excluded`, a set of bits, has all the questions that it may have.
    func isFull(outside excluded: UInt64) -> Bool {
        upstreams.indices.contains { excluded >> UInt64($0) & 1 == 0 && upstreams[$0].inFlight >= options.queriesPerUpstreamMax }
    }

    /// The upstream to ask, out of those whose bit in `excluded` is not set; one that is down only if no other is left. Nil if none may be asked.
    mutating func choose(outside excluded: UInt64, now: Instant) -> Int? {
        chooseUp(outside: excluded, now: now)
            ?? choose(now: now) { excluded >> UInt64($0) & 1 == 0 && $1.inFlight < $2 }
    }

    /// The same, of those that are up.
    mutating func chooseUp(outside excluded: UInt64, now: Instant) -> Int? {
        choose(now: now) { excluded >> UInt64($0) & 1 == 0 && $1.isUp && $1.inFlight < $2 }
    }

    private mutating func choose(now: Instant, _ isEligible: (Int, UpstreamHealth, Int) -> Bool) -> Int? {
        var eligible: UInt64 = 0
        for index in upstreams.indices where isEligible(index, upstreams[index], options.queriesPerUpstreamMax) {
            eligible |= 1 << UInt64(index)
        }
        guard eligible != 0 else { return nil }
        switch options.policy {
        case .sequential:
            return eligible.trailingZeroBitCount
        case .roundRobin:
            let later = eligible & (UInt64.max << UInt64(turn))
            let choice = (later == 0 ? eligible : later).trailingZeroBitCount
            turn = (choice + 1) % upstreams.count
            return choice
        case .random:
            return anyOf(eligible)
        case .latency:
            var best = UInt64.max
            for index in upstreams.indices where eligible >> UInt64(index) & 1 == 1 {
                best = min(best, upstreams[index].roundTrip.score(now: now, halvingNanoseconds: halvingNanoseconds))
            }
            let limit = best + best / 2 + Self.bandNanoseconds
            for index in upstreams.indices
            where upstreams[index].roundTrip.score(now: now, halvingNanoseconds: halvingNanoseconds) > limit {
                eligible &= ~(1 << UInt64(index))
            }
            return anyOf(eligible)
        }
    }

    private mutating func anyOf(_ eligible: UInt64) -> Int {
        random ^= random << 13
        random ^= random >> 7
        random ^= random << 17
        var left = eligible
        for _ in 0..<random % UInt64(eligible.nonzeroBitCount) { left &= left - 1 }
        return left.trailingZeroBitCount
    }

    /// A question goes out to this upstream.
    mutating func noteQuestion(_ upstream: Int, now: Instant) {
        upstreams[upstream].roundTrip.noteQuestion(now: now, halvingNanoseconds: halvingNanoseconds)
    }

    // MARK: hedges

    /// A question begins: it earns a part of a hedge.
    mutating func earnHedge() { hedgeCredit = min(hedgeCredit + Self.hedgeCreditPerQuestion, Self.hedgeCreditMax) }

    /// False if too many were asked twice lately.
    mutating func payHedge() -> Bool {
        guard hedgeCredit >= Self.hedgePrice else { return false }
        hedgeCredit -= Self.hedgePrice
        return true
    }
}
