import NetworkTypes

/// One line of the flow log: what was decided about one flow, and why.
public struct FlowLogLine: Sendable {
    /// RFC 3339, UTC.
    public var time = ""
    public var endpoint = ""
    public var namespace = ""
    public var labels: [String: String] = [:]
    public var source = ""
    public var sourcePort: UInt16 = 0
    public var destination = ""
    public var destinationPort: UInt16 = 0
    public var transport = ""
    /// The name under which the destination was resolved, if it had a part in the decision.
    public var names: [String] = []
    /// allow, reject, drop or audit_deny; end of a flow that has ended.
    public var verdict = ""
    public var reason = ""
    /// Why a packet could not be parsed.
    public var detail: String?
    public var tier: String?
    public var policy: String?
    /// `egress[N]`, or nil for a tier's default.
    public var rule: String?
    /// What policy would decide with its staged policies in force, if any of them bears on the endpoint: allow or deny.
    public var stagedVerdict: String?
    public var stagedReason: String?
    /// `tier|policy|egress[N]|action`.
    public var stagedRule: String?
    /// What a flow has sent by now, or in all.
    public var traffic: Traffic?
    /// RFC 3339, UTC.
    public var startTime: String?
    public var endTime: String?
    public var durationMilliseconds: UInt64?
    /// Of a live flow: admitted (not seen by connection tracking yet), live or denied.
    public var state: String?
    /// What the endpoint addressed, where the node has translated it.
    public var originalDestination: String?
    /// Of the process that decided.
    public var policyVersion: UInt32?
    /// What became of the search for the name in the hello: pending, match, mismatch, unreadable (`detail` says why), responder_first, denied, not_asked.
    public var nameCheck: String?
    /// The name that the client gave, and in what: tls, http, quic.
    public var seenName: String?
    public var seenNameSource: String?
    /// That name stood outside of an encrypted hello.
    public var hasOuterName = false
    /// The flow had been admitted before a policy change.
    public var isRedecision = false

    /// Bytes with IP headers, and packets; out is from the endpoint.
    public struct Traffic: Sendable, Hashable {
        public let bytesOut: UInt64
        public let bytesIn: UInt64
        public let packetsOut: UInt64
        public let packetsIn: UInt64

        public init(bytesOut: UInt64, bytesIn: UInt64, packetsOut: UInt64, packetsIn: UInt64) {
            self.bytesOut = bytesOut
            self.bytesIn = bytesIn
            self.packetsOut = packetsOut
            self.packetsIn = packetsIn
        }
    }

    public init() {}

    public var json: String {
        var line = JSONLine()
        line.add("time", time)
        line.add("endpoint", endpoint)
        line.add("namespace", namespace)
        line.add("labels", labels)
        line.add("source", source)
        line.add("source_port", sourcePort)
        line.add("destination", destination)
        line.add("destination_port", destinationPort)
        line.add("protocol", transport)
        line.add("names", names)
        line.add("verdict", verdict)
        line.add("reason", reason)
        if let detail { line.add("detail", detail) }
        if let nameCheck { line.add("name_check", nameCheck) }
        if let seenName { line.add("seen_name", seenName) }
        if let seenNameSource { line.add("seen_name_source", seenNameSource) }
        if hasOuterName { line.add("outer_name", true) }
        if let tier { line.add("tier", tier) }
        if let policy { line.add("policy", policy) }
        if let rule { line.add("rule", rule) }
        if let stagedVerdict { line.add("staged_verdict", stagedVerdict) }
        if let stagedReason { line.add("staged_reason", stagedReason) }
        if let stagedRule { line.add("staged_rule", stagedRule) }
        if let originalDestination { line.add("original_destination", originalDestination) }
        if let policyVersion { line.add("policy_version", policyVersion) }
        if let state { line.add("state", state) }
        if let traffic {
            line.add("bytes_out", traffic.bytesOut)
            line.add("bytes_in", traffic.bytesIn)
            line.add("packets_out", traffic.packetsOut)
            line.add("packets_in", traffic.packetsIn)
        }
        if let startTime { line.add("start_time", startTime) }
        if let endTime { line.add("end_time", endTime) }
        if let durationMilliseconds { line.add("duration_milliseconds", durationMilliseconds) }
        if isRedecision { line.add("redecision", true) }
        return line.finished
    }
}
