import Enforcement
import NetworkTypes

/// A gate that wants to be called once a second by the worker that owns it, for expiry and housekeeping.
public protocol TickingGate: AnswerGate, ~Copyable {
    /// Called about once a second, between batches.
    mutating func tick(now: Instant)

    /// Whether what `learn` released stays published, as long as learned and at least until the next tick or work from the mailbox: until then
    /// nothing but `learn` changes what is published, and that only adds, or says so (`AnswerGate.withdrawals`). Then the worker gives the same answer to the same client again
    /// without asking, with a TTL that ends no later than the one learned (``Lesson``).
    var onlyAddsBetweenTicks: Bool { get }
}

extension TickingGate where Self: ~Copyable {
    public var onlyAddsBetweenTicks: Bool { false }
}
