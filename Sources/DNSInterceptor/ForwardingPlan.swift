import NetworkTypes

/// Which upstream is asked next, how, and when to give up: the life of one forwarded question as a value.
///
/// It gets what happened and the time and returns what to do; sockets are the worker's affair.
///
///     start -> ask (UDP) -> answered well ------------------------------------------> deliver
///                        -> truncated, 8 wrong replies, or only case-folded ones ---> ask (TCP), same upstream
///                        -> EDNS not understood ------------------------------------> ask again without
///                        -> SERVFAIL, REFUSED... (kept), timeout, error ------------> ask the next upstream
///     no try, time or upstream left ------------------------------------------------> give up (the last kept answer, if any)
struct ForwardingPlan {
    enum Event {
        case timeout
        /// A reply over UDP that is not ours; `differsInCase` if id and question agree but for letter case.
        case wrongReply(differsInCase: Bool)
        case truncated
        /// FORMERR, NOTIMP or BADVERS to a query that bore an OPT record.
        case ednsRefused
        /// A well-formed reply whose RCODE another upstream may better.
        case answeredBadly
        case answeredWell
        /// No reply can come any more: socket error, connection closed, message malformed.
        case failed
        /// No query could be sent, and it is not the upstream's fault (no descriptors left).
        case localFailure
    }

    enum Action: Equatable {
        case ask(upstream: Int, overTCP: Bool, withEDNS: Bool, until: Instant)
        case keepWaiting
        case deliver
        case giveUp
    }

    private let deadline: Instant
    private(set) var upstream = -1
    private var tries = 0
    private var isTCP = false
    private var hasEDNS = true
    private var wrongReplies = 0
    private var sawFoldedCase = false
    /// Bit sets over the first 64 upstreams.
    private var asked: UInt64 = 0
    private var answeredBadly: UInt64 = 0

    init(now: Instant, configuration: DNSWorkerConfiguration) {
        deadline = now.advanced(byNanoseconds: UInt64(max(0, configuration.totalTimeoutMilliseconds)) * 1_000_000)
    }

    /// The first step.
    mutating func start(_ health: [UpstreamHealth], configuration: DNSWorkerConfiguration, now: Instant) -> Action {
        next(health, configuration, now)
    }

    mutating func handle(
        _ event: Event, health: inout [UpstreamHealth], configuration: DNSWorkerConfiguration, now: Instant, wentDown: inout Bool
    ) -> Action {
        switch event {
        case .wrongReply(let differsInCase):
            guard !isTCP else { return .keepWaiting }
            wrongReplies += 1
            if differsInCase { sawFoldedCase = true }
            return wrongReplies >= configuration.wrongRepliesMax ? askOverTCP(configuration, now) : .keepWaiting
        case .truncated where !isTCP:
            health[upstream].succeed()
            return askOverTCP(configuration, now)
        case .ednsRefused where hasEDNS:
            hasEDNS = false
            return ask(configuration, now)
        case .answeredWell:
            health[upstream].succeed()
            if !hasEDNS, health[upstream].acceptsEDNS(now: now) { health[upstream].withoutEDNSUntil = now.advanced(bySeconds: 300) }
            return .deliver
        case .localFailure:
            return next(health, configuration, now)
        case .answeredBadly, .ednsRefused:
            health[upstream].succeed()
            answeredBadly |= 1 << UInt64(upstream)
            return next(health, configuration, now)
        case .timeout where sawFoldedCase && !isTCP && now < deadline:
            return askOverTCP(configuration, now)
        case .timeout, .failed, .truncated:
            wentDown = health[upstream].fail(now: now, configuration: configuration)
            return next(health, configuration, now)
        }
    }

    /// The same upstream again, over TCP, within the same try.
    private mutating func askOverTCP(_ configuration: DNSWorkerConfiguration, _ now: Instant) -> Action {
        isTCP = true
        return ask(configuration, now)
    }

    /// The next try: an upstream that is up and was not asked, else one that was not asked, else from the start. One that answered is not asked again.
    private mutating func next(_ health: [UpstreamHealth], _ configuration: DNSWorkerConfiguration, _ now: Instant) -> Action {
        let count = min(health.count, 64)
        guard tries < configuration.tryTimeoutsMilliseconds.count, now < deadline else { return .giveUp }
        func choose(_ isEligible: (Int) -> Bool) -> Int? {
            (0..<count).first { answeredBadly & 1 << UInt64($0) == 0 && isEligible($0) }
        }
        let asked = asked
        var choice = choose { asked & 1 << UInt64($0) == 0 && health[$0].isUp(now: now) } ?? choose { asked & 1 << UInt64($0) == 0 }
        if choice == nil {
            self.asked = 0
            choice = choose { health[$0].isUp(now: now) } ?? choose { _ in true }
        }
        guard let choice else { return .giveUp }
        upstream = choice
        self.asked |= 1 << UInt64(choice)
        tries += 1
        isTCP = false
        hasEDNS = health[choice].acceptsEDNS(now: now)
        wrongReplies = 0
        sawFoldedCase = false
        return ask(configuration, now)
    }

    private func ask(_ configuration: DNSWorkerConfiguration, _ now: Instant) -> Action {
        let milliseconds = configuration.tryTimeoutsMilliseconds[max(0, tries - 1)]
        let until = min(deadline, now.advanced(byNanoseconds: UInt64(max(0, milliseconds)) * 1_000_000))
        guard now < deadline else { return .giveUp }
        return .ask(upstream: upstream, overTCP: isTCP, withEDNS: hasEDNS, until: until)
    }
}
