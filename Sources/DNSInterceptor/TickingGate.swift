import Enforcement
import NetworkTypes

/// A gate that wants to be called once a second by the worker that owns it, for expiry and housekeeping.
public protocol TickingGate: AnswerGate, ~Copyable {
    /// Called about once a second, between batches.
    mutating func tick(now: Instant)
}
