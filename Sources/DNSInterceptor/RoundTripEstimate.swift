import NetworkTypes

/// How long an upstream takes to answer, from the answers that it gave.
///
/// A smoothed time (weights 7/8 and 1/8, as RFC 6298 §2.3 has it) tells which upstream is quick. It halves with every ten seconds (``DNSWorkerConfiguration/latencyHalvingMilliseconds``)
/// in which the upstream was not asked, so that one which was slow is tried again, by one question at a time. A failure adds to it for seconds.
/// A second figure follows the time that 19 of 20 answers keep: each answer moves it up by an eighth or down by a 152nd.
struct RoundTripEstimate {
    /// What a failure adds at first, and at most.
    private static let penaltyNanosecondsMin: UInt64 = 800_000_000
    private static let penaltyNanosecondsMax: UInt64 = 6_400_000_000
    /// A second upstream is not asked sooner than this, and after this if the first has not answered yet at all.
    static let hedgeNanosecondsMin: UInt64 = 5_000_000
    static let hedgeNanosecondsUnknown: UInt64 = 200_000_000

    /// 0: no answer yet.
    private(set) var smoothedNanoseconds: UInt64 = 0
    private var highNanoseconds: UInt64 = 0
    private var penaltyNanoseconds: UInt64 = 0
    private var usedAt = Instant(nanoseconds: 0)
    /// What the smoothed time had come down to when the last question went out.
    private var fadedNanoseconds: UInt64 = 0

    /// A question goes out.
    mutating func noteQuestion(now: Instant, halvingNanoseconds: UInt64) {
        fadedNanoseconds = faded(now, halvingNanoseconds)
        usedAt = now
    }

    private func faded(_ now: Instant, _ halvingNanoseconds: UInt64) -> UInt64 {
        smoothedNanoseconds >> (now.nanoseconds(since: usedAt) / halvingNanoseconds)
    }

    mutating func noteAnswer(nanoseconds: UInt64) {
        penaltyNanoseconds = 0
        add(nanoseconds)
    }

    /// No answer came for so long, and now none is waited for.
    mutating func noteSilence(nanoseconds: UInt64) {
        if nanoseconds > smoothedNanoseconds { add(nanoseconds) }
    }

    mutating func noteFailure(now: Instant) {
        penaltyNanoseconds = min(max(2 * penaltyNanoseconds, Self.penaltyNanosecondsMin), Self.penaltyNanosecondsMax)
        usedAt = now
    }

    private mutating func add(_ nanoseconds: UInt64) {
        let sample = max(1, min(nanoseconds, 10_000_000_000))
        guard smoothedNanoseconds > 0 else {
            smoothedNanoseconds = sample
            highNanoseconds = 3 * sample
            return
        }
        // An answer that bears out what the time had come down to makes it so; one that does not leaves it as it was.
        let base = sample <= fadedNanoseconds ? fadedNanoseconds : smoothedNanoseconds
        smoothedNanoseconds = max(1, (7 * base + sample) / 8)
        if sample > highNanoseconds {
            highNanoseconds += max(1, highNanoseconds / 8)
        } else {
            highNanoseconds -= highNanoseconds / 152
        }
    }

    /// What upstreams are compared by: the less the better. 0 if nothing is known, so that it will be.
    ///
    /// - Parameter halvingNanoseconds: after how long without a question the time halves; what a failure adds halves ten times as often.
    func score(now: Instant, halvingNanoseconds: UInt64) -> UInt64 {
        let idle = now.nanoseconds(since: usedAt)
        return faded(now, halvingNanoseconds) + penaltyNanoseconds >> (idle / max(1, halvingNanoseconds / 10))
    }

    /// How long to wait for an answer before another upstream is asked too.
    var hedgeNanoseconds: UInt64 {
        smoothedNanoseconds == 0 ? Self.hedgeNanosecondsUnknown : max(highNanoseconds, Self.hedgeNanosecondsMin)
    }
}
