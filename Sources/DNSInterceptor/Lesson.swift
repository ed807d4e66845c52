import Enforcement
import NetworkTypes

/// That a client was taught an answer, and what it may be told because of that.
///
/// Most answers out of the cache go to a client that had them a moment ago. As long as the gate only adds to what is published (`AnswerGate.era`),
/// what was learned still stands. Until then the answer is given out again without asking, with a TTL that ends no later than the one that was
/// learned.
struct Lesson: BitwiseCopyable {
    /// With less than this left, in seconds, a client is taught anew each time: rounding would take too much of the TTL.
    private static let timeToLiveSecondsMin: UInt32 = 10

    private let endpoint: EndpointID
    /// Of the gate, in which it was taught.
    private let era: UInt32
    private let timeToLiveSeconds: UInt32
    private let taughtAt: Instant

    /// Nil if it is not worth keeping.
    init?(_ endpoint: EndpointID, era: UInt32, timeToLiveSeconds: UInt32, now: Instant) {
        guard timeToLiveSeconds >= Self.timeToLiveSecondsMin else { return nil }
        self.endpoint = endpoint
        self.era = era
        self.timeToLiveSeconds = timeToLiveSeconds
        taughtAt = now
    }

    /// The TTL that the client may be given now, in seconds; nil if it has to be taught.
    func timeToLiveSeconds(for endpoint: EndpointID, era: UInt32, now: Instant) -> UInt32? {
        guard endpoint == self.endpoint, era == self.era else { return nil }
        let elapsed = (now.nanoseconds(since: taughtAt) + 999_999_999) / 1_000_000_000
        guard elapsed + UInt64(Self.timeToLiveSecondsMin) <= UInt64(timeToLiveSeconds) else { return nil }
        return timeToLiveSeconds - UInt32(elapsed)
    }
}
