import Enforcement

/// What the DNS worker tells of its bindings.
struct NameReport: Sendable {
    var bindings = 0
    var names = 0
    var counters = NameTableCounters()
    /// By `AnswerRefusal.rawValue`.
    var refusals: [UInt64] = []
    /// The worker has answered; else this is what it told last.
    var isCurrent = true
}
