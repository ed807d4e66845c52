import Conntrack
import Enforcement
import FlowResets

/// What the thread of the flows tells of itself.
struct FlowReport: Sendable {
    var live = 0
    var tracked = 0
    /// Endpoints that have as many flows as they may, and how often one came to that.
    var capped = 0
    var cappings: UInt64 = 0
    var counters = FlowTableCounters()
    /// By `ConntrackEvent.Kind.rawValue`.
    var events: [UInt64] = [0, 0, 0]
    var malformedEvents: UInt64 = 0
    /// Times that the kernel has dropped events.
    var losses: UInt64 = 0
    var brokenSweeps: UInt64 = 0
    /// Revoked flows whose conntrack entry is kept, and those that were too many.
    var revokedKept = 0
    var revokedOverflows: UInt64 = 0
    /// By `FlowReport.resetLabels`.
    var resets: [UInt64] = [0, 0, 0, 0]

    static let resetLabels = ["sent", "no_flow", "limited", "failed"]
}
