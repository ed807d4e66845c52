import NetworkTypes

/// Which upstream is asked next, how, and when to give up: the life of one forwarded question as a value.
///
/// It gets what happened and the time and returns what to do; sockets are the worker's affair. Mostly one attempt is open, in place 0. If its
/// answer is late, a second one is opened beside it in place 1 (a hedge); the first good answer of either ends the question.
///
///     start -> ask ---------> answered well ------------------------------------------> deliver
///                        -> truncated, 8 wrong replies, or only case-folded ones ---> ask (TCP), same upstream
///                        -> no cookie where there should be one, BADCOOKIE twice ---> ask (TCP), same upstream
///                        -> BADCOOKIE ----------------------------------------------> ask again with the new cookie
///                        -> EDNS not understood ------------------------------------> ask again without
///                        -> TCP, as the query came, and no connection to be had ----> ask over UDP, unless TCP is forced
///                        -> a TCP connection that had answered before has ended ----> ask over another one
///                        -> the upstream was down and is back ---------------------> ask again
///                        -> SERVFAIL, REFUSED... (kept), timeout, error ------------> ask the next upstream
///           late -------> hedge: ask another upstream too
///     no try, time or upstream left ------------------------------------------------> abandon the place, or give up (the last kept answer, if any)
struct ForwardingPlan {
    enum Event {
        case timeout
        /// A reply over UDP that is not ours; `differsInCase` if id and question agree but for letter case.
        case wrongReply(differsInCase: Bool)
        case truncated
        /// BADCOOKIE with a cookie to use instead (RFC 7873 §5.3).
        case cookieRefused
        /// Over UDP, without the cookie that this upstream gives.
        case cookieMissing
        /// FORMERR, NOTIMP or BADVERS to a query that bore an OPT record.
        case ednsRefused
        /// A well-formed reply whose RCODE another upstream may better.
        case answeredBadly
        case answeredWell
        /// No reply can come any more: socket error, connection closed, message malformed.
        case failed
        /// A TCP connection could not be made: it was refused, or nobody answered.
        case notConnected
        /// A connection that had served before was closed, as servers do with idle ones (RFC 7766 §6.2.3).
        case streamEnded
        /// The upstream was down and answers again: what it was asked before is lost.
        case upstreamReturned
        /// No query could be sent, and it is not the upstream's fault (no descriptors left).
        case localFailure
    }

    enum Action: Equatable {
        case ask(place: Int, upstream: Int, overTCP: Bool, withEDNS: Bool)
        case keepWaiting
        /// That attempt is over, and the other one is waited for.
        case abandon(place: Int)
        case deliver
        case giveUp
    }

    /// What is to be done when ``nextDeadline`` has come.
    enum Due: Equatable {
        case hedge
        case timeout(place: Int)
    }

    /// One upstream that is being asked.
    struct Attempt {
        fileprivate(set) var isOpen = false
        fileprivate(set) var upstream = 0
        fileprivate(set) var startedAt = Instant(nanoseconds: 0)
        fileprivate(set) var until = Instant(nanoseconds: 0)
        fileprivate var tryNumber = 0
        fileprivate var isTCP = false
        /// It was to be asked over TCP, and takes no connections: UDP is all there is.
        fileprivate var hasNoTCP = false
        /// It has answered over UDP with TC set.
        fileprivate var wasTruncated = false
        fileprivate var hasEDNS = true
        /// A second connection is tried once.
        fileprivate var isAskedAnew = false
        fileprivate var isAskedWithNewCookie = false
        fileprivate var wrongReplies = 0
        fileprivate var sawFoldedCase = false
    }

    private let deadline: Instant
    private let startsOverTCP: Bool
    private var attempts: (Attempt, Attempt) = (Attempt(), Attempt())
    private var tries = 0
    private var hedgeAt: Instant?
    /// Bit sets over the upstreams.
    private var asked: UInt64 = 0
    private var answeredBadly: UInt64 = 0
    /// No upstream could be asked, as all had their fill of questions.
    private(set) var foundAllFull = false
    /// An upstream has an answer that does not fit into UDP, and takes no TCP connections.
    private(set) var foundTruncatedOnly = false

    init(now: Instant, startsOverTCP: Bool = false, configuration: DNSWorkerConfiguration) {
        deadline = now.advanced(byNanoseconds: UInt64(max(0, configuration.totalTimeoutMilliseconds)) * 1_000_000)
        self.startsOverTCP = startsOverTCP
    }

    /// The attempt in a place, 0 or 1.
    private(set) subscript(place: Int) -> Attempt {
        get { place == 0 ? attempts.0 : attempts.1 }
        set { if place == 0 { attempts.0 = newValue } else { attempts.1 = newValue } }
    }

    // MARK: time

    var nextDeadline: Instant? {
        var next = hedgeAt
        for place in 0..<2 where self[place].isOpen { next = min(next ?? self[place].until, self[place].until) }
        return next
    }

    func due(now: Instant) -> Due? {
        for place in 0..<2 where self[place].isOpen && self[place].until <= now { return .timeout(place: place) }
        if let hedgeAt, hedgeAt <= now { return .hedge }
        return nil
    }

    // MARK: steps

    /// The first step.
    mutating func start(_ zone: inout ZoneState, configuration: DNSWorkerConfiguration, now: Instant) -> Action {
        let action = next(0, &zone, configuration, now)
        if zone.hedges, case .ask(_, let upstream, _, _) = action {
            zone.earnHedge()
            hedgeAt = now.advanced(byNanoseconds: zone.upstreams[upstream].roundTrip.hedgeNanoseconds)
        }
        return action
    }

    /// The answer is late: another upstream that is up is asked too, if there is one that was not asked yet.
    mutating func hedge(
        _ zone: inout ZoneState, configuration: DNSWorkerConfiguration, now: Instant, wasDenied: inout Bool
    ) -> Action {
        hedgeAt = nil
        guard self[0].isOpen, !self[1].isOpen, tries < configuration.tryTimeoutsMilliseconds.count, now < deadline,
            let choice = zone.chooseUp(outside: asked | answeredBadly, now: now)
        else { return .keepWaiting }
        guard zone.payHedge() else {
            wasDenied = true
            return .keepWaiting
        }
        return open(1, choice, &zone, configuration, now)
    }

    mutating func handle(
        _ event: Event, place: Int, _ zone: inout ZoneState, configuration: DNSWorkerConfiguration, now: Instant, wentDown: inout Bool
    ) -> Action {
        if case .wrongReply(let differsInCase) = event {
            guard !self[place].isTCP else { return .keepWaiting }
            self[place].wrongReplies += 1
            if differsInCase { self[place].sawFoldedCase = true }
            return self[place].wrongReplies >= configuration.wrongRepliesMax ? askOverTCP(place, configuration, now) : .keepWaiting
        }
        if case .upstreamReturned = event {
            guard !self[place].isAskedAnew else { return .keepWaiting }
            self[place].isAskedAnew = true
            self[place].startedAt = now
            return ask(place, configuration, now)
        }
        // It has answered, or another one is asked anyhow.
        if place == 0 { hedgeAt = nil }
        let upstream = self[place].upstream
        switch event {
        case .truncated where !self[place].isTCP && !self[place].hasNoTCP:
            noteAnswer(place, &zone, now)
            self[place].wasTruncated = true
            return askOverTCP(place, configuration, now)
        case .truncated where !self[place].isTCP, .notConnected where self[place].wasTruncated:
            // It is well, but for TCP.
            foundTruncatedOnly = true
            zone.upstreams[upstream].succeed()
            answeredBadly |= 1 << UInt64(upstream)
            return next(place, &zone, configuration, now)
        case .notConnected where mayGoBackToUDP(place, zone):
            self[place].isTCP = false
            self[place].hasNoTCP = true
            return ask(place, configuration, now)
        case .cookieRefused where !self[place].isAskedWithNewCookie:
            self[place].isAskedWithNewCookie = true
            return ask(place, configuration, now)
        case .cookieRefused where !self[place].isTCP, .cookieMissing where !self[place].isTCP:
            return askOverTCP(place, configuration, now)
        case .ednsRefused where self[place].hasEDNS:
            self[place].hasEDNS = false
            return ask(place, configuration, now)
        case .streamEnded where !self[place].isAskedAnew:
            self[place].isAskedAnew = true
            return ask(place, configuration, now)
        case .answeredWell:
            noteAnswer(place, &zone, now)
            if !self[place].hasEDNS, zone.upstreams[upstream].acceptsEDNS(now: now) {
                zone.upstreams[upstream].withoutEDNSUntil = now.advanced(bySeconds: 300)
            }
            let other = self[1 - place]
            if other.isOpen { zone.upstreams[other.upstream].roundTrip.noteSilence(nanoseconds: now.nanoseconds(since: other.startedAt)) }
            return .deliver
        case .localFailure:
            return next(place, &zone, configuration, now)
        case .answeredBadly, .ednsRefused, .cookieRefused, .cookieMissing:
            noteAnswer(place, &zone, now)
            answeredBadly |= 1 << UInt64(upstream)
            return next(place, &zone, configuration, now)
        case .timeout where self[place].sawFoldedCase && !self[place].isTCP && now < deadline:
            return askOverTCP(place, configuration, now)
        case .timeout:
            wentDown = zone.upstreams[upstream].noteTimeout(askedAt: self[place].startedAt, now: now, configuration: configuration)
            return next(place, &zone, configuration, now)
        case .failed, .notConnected, .truncated, .streamEnded, .wrongReply, .upstreamReturned:
            wentDown = zone.upstreams[upstream].fail(now: now, configuration: configuration)
            return next(place, &zone, configuration, now)
        }
    }

    /// Whether a connection that ended may be replaced without another upstream being asked.
    func mayAskAnew(_ place: Int) -> Bool { !self[place].isAskedAnew }

    /// Whether TCP was chosen because the query came so, and for no other reason: what fled from UDP does not go back.
    private func mayGoBackToUDP(_ place: Int, _ zone: ZoneState) -> Bool {
        startsOverTCP && !zone.options.forcesTCP && !zone.isSecure(self[place].upstream) && !self[place].hasNoTCP
    }

    private func noteAnswer(_ place: Int, _ zone: inout ZoneState, _ now: Instant) {
        let attempt = self[place]
        zone.upstreams[attempt.upstream].noteAnswer(now: now)
        // The time of a question that had to be repeated says nothing of the upstream's.
        guard attempt.isTCP == startsOverTCP || zone.isSecure(attempt.upstream), attempt.wrongReplies == 0 else { return }
        let time = now.nanoseconds(since: attempt.startedAt)
        zone.upstreams[attempt.upstream].roundTrip.noteAnswer(nanoseconds: time)
        zone.upstreams[attempt.upstream].tally.noteAnswer(nanoseconds: time)
    }

    /// The same upstream again, over TCP, within the same try.
    private mutating func askOverTCP(_ place: Int, _ configuration: DNSWorkerConfiguration, _ now: Instant) -> Action {
        self[place].isTCP = true
        return ask(place, configuration, now)
    }

    /// The next try: an upstream that is up and was not asked, else one that was not asked, else from the start. One that answered is not
    /// asked again, nor one that is being asked.
    private mutating func next(
        _ place: Int, _ zone: inout ZoneState, _ configuration: DNSWorkerConfiguration, _ now: Instant
    ) -> Action {
        self[place].isOpen = false
        guard tries < configuration.tryTimeoutsMilliseconds.count, now < deadline else { return close(place) }
        let busy = answeredBadly | (self[1 - place].isOpen ? 1 << UInt64(self[1 - place].upstream) : 0)
        if let choice = zone.choose(outside: asked | busy, now: now) { return open(place, choice, &zone, configuration, now) }
        if let choice = zone.choose(outside: busy, now: now) {
            asked = 0
            return open(place, choice, &zone, configuration, now)
        }
        if zone.isFull(outside: busy) { foundAllFull = true }
        return close(place)
    }

    private mutating func open(
        _ place: Int, _ upstream: Int, _ zone: inout ZoneState, _ configuration: DNSWorkerConfiguration, _ now: Instant
    ) -> Action {
        asked |= 1 << UInt64(upstream)
        var attempt = Attempt()
        attempt.isOpen = true
        attempt.upstream = upstream
        attempt.startedAt = now
        attempt.tryNumber = tries
        attempt.isTCP = startsOverTCP || zone.isSecure(upstream)
        attempt.hasEDNS = zone.upstreams[upstream].acceptsEDNS(now: now)
        tries += 1
        self[place] = attempt
        zone.noteQuestion(upstream, now: now)
        return ask(place, configuration, now)
    }

    private mutating func ask(_ place: Int, _ configuration: DNSWorkerConfiguration, _ now: Instant) -> Action {
        guard now < deadline else { return close(place) }
        let milliseconds = configuration.tryTimeoutsMilliseconds[self[place].tryNumber]
        self[place].until = min(deadline, now.advanced(byNanoseconds: UInt64(max(0, milliseconds)) * 1_000_000))
        let attempt = self[place]
        return .ask(place: place, upstream: attempt.upstream, overTCP: attempt.isTCP, withEDNS: attempt.hasEDNS)
    }

    private mutating func close(_ place: Int) -> Action {
        self[place].isOpen = false
        if place == 0 { hedgeAt = nil }
        return self[1 - place].isOpen ? .abandon(place: place) : .giveUp
    }
}
