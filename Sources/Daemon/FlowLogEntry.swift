import DomainNames
import Enforcement
import NameInspection
import NetworkTypes
import PacketHeaders
import PolicyEngine
import Telemetry

/// What becomes a line of the flow log, with all that the line needs.
enum FlowLogEntry: Sendable {
    case decided(FlowRecord, CompiledPolicy?, DomainName?)
    /// A name was looked for in what the flow sent.
    indirect case named(HelloRecord, CompiledPolicy?, DomainName?)
    case ended(TrackedFlow, CompiledPolicy)
    case text(String)

    /// The line. Takes some microseconds, where keeping the entry takes a fraction of one.
    var json: String {
        switch self {
        case .decided(let record, let policy, let name): Self.line(record, policy, name).json
        case .named(let hello, let policy, let name): Self.line(hello, policy, name).json
        case .ended(let flow, let policy): FlowLine(ended: flow, policy).json
        case .text(let text): text
        }
    }

    func needs(_ policy: CompiledPolicy) -> Bool {
        switch self {
        case .decided(_, let own, _): own === policy
        case .named(_, let own, _): own === policy
        case .ended(_, let own): own === policy
        case .text: false
        }
    }

    private static func line(_ hello: HelloRecord, _ policy: CompiledPolicy?, _ name: DomainName?) -> FlowLogLine {
        var line = line(hello.record, policy, name)
        line.nameCheck = hello.result.label
        if let fault = hello.fault { line.detail = fault.label }
        line.seenName = hello.name?.description
        line.seenNameSource = hello.source?.label
        line.hasOuterName = hello.isOuter
        return line
    }

    private static func line(_ record: FlowRecord, _ policy: CompiledPolicy?, _ name: DomainName?) -> FlowLogLine {
        var line = FlowLogLine()
        line.time = BootClock.wallClockText(record.time)
        line.source = record.flow.source.description
        line.sourcePort = record.flow.sourcePort
        line.destination = record.flow.destination.description
        line.destinationPort = record.flow.destinationPort
        line.transport = record.flow.transport.description
        line.reason = record.reason.label
        line.isRedecision = record.isRedecision
        switch record.verdict {
        case .allow: line.verdict = "allow"
        case .reject: line.verdict = "reject"
        case .drop: line.verdict = "drop"
        case .auditDeny: line.verdict = "audit_deny"
        }
        if record.reason == .malformedPacket {
            line.detail = PacketError(rawValue: record.detail)?.label
        } else if record.verdict != .allow, record.detail > 0 {
            line.detail = HoldOutcome(rawValue: record.detail - 1).map { "hold_\($0.label)" }
        }
        if record.verdict == .allow, record.detail == VerdictEngine.namePending { line.nameCheck = "pending" }
        guard let policy else { return line }
        if let id = record.endpoint, let endpoint = policy.endpoint(id) {
            line.endpoint = endpoint.name
            line.namespace = endpoint.namespace
            line.labels = endpoint.labels
            if let name { line.names = [name.description] }
        }
        if let description = policy.description(ofRule: record.rule) {
            line.tier = description.tier
            line.policy = description.policy
            line.rule = description.rule.map { "egress[\($0)]" }
        }
        if let staged = record.staged {
            line.stagedVerdict = staged.isAllowed ? "allow" : "deny"
            line.stagedReason = staged.reason.label
            line.stagedRule = policy.description(ofRule: staged.rule)?.description
        }
        return line
    }
}
