import Enforcement

/// What the DNS worker tells of its bindings.
struct NameReport: Sendable {
    var bindings = 0
    var names = 0
    var counters = NameTableCounters()
    /// By `AnswerRefusal.rawValue`.
    var refusals: [UInt64] = []
}
