import DNSMessages
import NetworkTypes

/// What is known of an upstream: whether it answers, how quickly, and how many questions it has.
///
/// A value: it is told what happened and when. A few failures in a row put it down: others are asked before it. Any answer, to a client's
/// question or to a probe of the worker's, puts it up again.
struct UpstreamHealth {
    /// It may be asked; false: it has been taken out of the list, and at most answers of before still come.
    var isListed = true
    /// Its place in the order that the policy `sequential` keeps.
    var rank = 0
    var tally = UpstreamTally()
    private(set) var failuresInARow = 0
    private(set) var isUp = true
    /// When it answered last, whatever it was asked.
    private(set) var answeredAt = Instant(nanoseconds: 0)
    /// Questions in flight to it.
    var inFlight = 0
    var roundTrip = RoundTripEstimate()
    /// It answered FORMERR or NOTIMP to EDNS and well without (RFC 6891 §6.2.2): asked without until this time.
    var withoutEDNSUntil: Instant?
    /// What queries to it bear where cookies are sent: 8 random bytes, and what the upstream made of them, if it did.
    private(set) var cookie: DNSCookie

    init(clientCookie: UInt64) { cookie = DNSCookie(client: clientCookie) }

    func acceptsEDNS(now: Instant) -> Bool { withoutEDNSUntil.map { $0 <= now } ?? true }

    /// A reply that is believed had this cookie. Without one, none is expected any more.
    mutating func learn(_ cookie: DNSCookie?) {
        let own = DNSCookie(client: self.cookie.client)
        self.cookie = cookie.map { $0.client == own.client ? $0 : own } ?? own
    }

    mutating func succeed() {
        failuresInARow = 0
        isUp = true
    }

    mutating func noteAnswer(now: Instant) {
        answeredAt = now
        succeed()
    }

    /// No answer came to a question of that time: a failure unless it has answered others since. Then the question is what it cannot answer, and whoever
    /// asks such could have everybody's questions go elsewhere.
    mutating func noteTimeout(askedAt: Instant, now: Instant, configuration: DNSWorkerConfiguration) -> Bool {
        guard answeredAt <= askedAt else {
            tally.failures += 1
            return false
        }
        return fail(now: now, configuration: configuration)
    }

    /// Counts a failure; true if the upstream goes down with it.
    mutating func fail(now: Instant, configuration: DNSWorkerConfiguration) -> Bool {
        failuresInARow += 1
        tally.failures += 1
        roundTrip.noteFailure(now: now)
        guard isUp, failuresInARow >= configuration.failuresUntilDown else { return false }
        isUp = false
        return true
    }
}
