import DNSMessages
import NetworkTypes

/// A zone as the worker forwards it: the state of its upstreams, and the choice among them.
///
/// A value: it gets the time and what happened. At most ``ForwardingZone/upstreamsMax`` upstreams, numbered from 0. Of these the last
/// ``ForwardingZone/livePlaces`` are for those that may change, if the zone has such: a number means one server as long as anything goes to it.
struct ZoneState {
    /// One hedge for ten questions, and this many at once: in thousandths.
    private static let hedgeCreditMax = 10_000
    private static let hedgeCreditPerQuestion = 100
    private static let hedgePrice = 1_000
    /// Upstreams slower than the quickest by half of its time and this are not as quick.
    private static let bandNanoseconds: UInt64 = 500_000

    let configuration: ForwardingZone
    /// The number that its first upstream has among all of the worker's.
    let firstUpstream: Int
    var upstreams: [UpstreamHealth]
    /// Of each upstream; of a place that has not been used, nobody's.
    private(set) var addresses: [UpstreamAddress]
    /// The changing ones as they were taken last; nil: not all of them could be.
    private(set) var live: [UpstreamAddress]? = []
    private let fixedCount: Int
    /// What an upstream that is down is asked: the NS records of the zone, which every server of it has.
    let probe: DNSQuery
    private let halvingNanoseconds: UInt64
    private var turn = 0
    private var hedgeCredit = hedgeCreditMax
    /// Nobody gains from guessing which upstream is next, so this need not be a good generator (xorshift, Marsaglia 2003).
    private var random: UInt64

    /// - Parameter random: gives the seed and the upstreams' cookies.
    init(
        _ configuration: ForwardingZone, firstUpstream: Int, halvingNanoseconds: UInt64, using random: inout some RandomNumberGenerator
    ) {
        self.configuration = configuration
        self.firstUpstream = firstUpstream
        let places = configuration.live == nil ? 0 : ForwardingZone.livePlaces
        addresses = Array(configuration.upstreams.prefix(ForwardingZone.upstreamsMax - places))
        fixedCount = addresses.count
        addresses += Array(repeating: UpstreamAddress(IPAddress(v4: 0)), count: places)
        upstreams = addresses.indices.map { _ in UpstreamHealth(clientCookie: random.next()) }
        for place in upstreams.indices {
            upstreams[place].isListed = place < fixedCount
            upstreams[place].rank = place
        }
        self.halvingNanoseconds = max(1, halvingNanoseconds)
        self.random = random.next() | 1
        // RFC 1035 §4.1: recursion wanted, one question of type NS and class IN.
        let message = [0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0] + configuration.name.wire + [0, 2, 0, 1]
        do throws(MessageFault) {
            probe = try DNSQuery(scanning: message.span)
        } catch {
            preconditionFailure("every domain name can be asked for: \(error)")
        }
        if let live = configuration.live { list(live.current, using: &random) { _ in true } }
    }

    var options: ForwardingOptions { configuration.options }

    // MARK: those that change

    /// Takes the changing upstreams over: what stays keeps its place and what is known of it, what is new gets a free one, what has gone is asked
    /// no more. Where no place is free yet the next call finds the rest to be done.
    ///
    /// - Parameter isFree: whether nothing of the place's last server is left: no connection, no probe.
    mutating func list(_ wanted: [UpstreamAddress], using random: inout some RandomNumberGenerator, isFree: (Int) -> Bool) {
        let wanted = Array(wanted.prefix(ForwardingZone.liveMax))
        guard wanted != live else { return }
        let places = fixedCount..<upstreams.count
        var isWhole = true
        for (position, address) in wanted.enumerated() {
            if let place = places.first(where: { addresses[$0] == address }) {
                if !upstreams[place].isListed {
                    // What was known of it may be long ago.
                    upstreams[place].succeed()
                    upstreams[place].isListed = true
                }
                upstreams[place].rank = fixedCount + position
            } else if let place = places.first(where: { !upstreams[$0].isListed && upstreams[$0].inFlight == 0 && isFree($0) }) {
                addresses[place] = address
                upstreams[place] = UpstreamHealth(clientCookie: random.next())
                upstreams[place].rank = fixedCount + position
            } else {
                isWhole = false
            }
        }
        for place in places where upstreams[place].isListed && !wanted.contains(addresses[place]) { upstreams[place].isListed = false }
        live = isWhole ? wanted : nil
    }

    // MARK: choice

    var hedges: Bool { options.hedges && options.policy != .sequential && upstreams.count > 1 }

    /// Whether it is asked over TLS alone.
    func isSecure(_ upstream: Int) -> Bool { addresses[upstream].tls != nil }

    /// Whether any upstream outside `excluded`, a set of bits, has all the questions that it may have.
    func isFull(outside excluded: UInt64) -> Bool {
        upstreams.indices.contains {
            excluded >> UInt64($0) & 1 == 0 && upstreams[$0].isListed && upstreams[$0].inFlight >= options.queriesPerUpstreamMax
        }
    }

    /// How many more questions its upstreams may have, and how many at most: those that are up, or all if none is.
    var room: (left: Int, most: Int) {
        let listed = upstreams.filter(\.isListed)
        let up = listed.filter(\.isUp)
        let asked = up.isEmpty ? listed : up
        return (
            asked.reduce(0) { $0 + max(0, options.queriesPerUpstreamMax - $1.inFlight) }, asked.count * options.queriesPerUpstreamMax
        )
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
        let most = options.queriesPerUpstreamMax
        for index in upstreams.indices where upstreams[index].isListed && isEligible(index, upstreams[index], most) {
            eligible |= 1 << UInt64(index)
        }
        guard eligible != 0 else { return nil }
        switch options.policy {
        case .sequential:
            return upstreams.indices.filter { eligible >> UInt64($0) & 1 == 1 }.min { upstreams[$0].rank < upstreams[$1].rank }
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
