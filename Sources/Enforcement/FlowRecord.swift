import NetworkTypes
import PolicyEngine

/// One decision, as the verdict thread saw it; other threads turn it into log lines and metrics.
public struct FlowRecord: Sendable, BitwiseCopyable {
    public enum Verdict: UInt8, Sendable, BitwiseCopyable {
        case allow
        case reject
        case drop
        /// Audit mode: it would have been refused.
        case auditDeny
    }

    public let time: Instant
    public let flow: FlowTuple
    /// nil if the source is no endpoint.
    public let endpoint: EndpointID?
    public let verdict: Verdict
    public let reason: VerdictReason
    /// Index into the descriptions of the policy `policyVersion`; `PolicyDecision.noRule` if no rule decided.
    public let rule: UInt32
    public let policyVersion: UInt32
    /// Record of the BindingStore that holds the name; -1 if no name was involved.
    public let nameRecord: Int32
    /// `PacketError.rawValue` for `malformedPacket`; else what the packet waited for in vain, `HoldOutcome.rawValue` + 1; else 0.
    public let detail: UInt8
    /// The flow was admitted before and decided again.
    public let isRedecision: Bool
    /// What policy would decide with its staged policies in force; nil if none bears on the endpoint.
    public let staged: PolicyDecision?

    public static let filler = FlowRecord(
        time: Instant(nanoseconds: 0),
        flow: FlowTuple(
            source: IPAddress(v4: 0), destination: IPAddress(v4: 0), transport: TransportProtocol(rawValue: 0), sourcePort: 0,
            destinationPort: 0),
        endpoint: nil, verdict: .drop, reason: .malformedPacket, rule: PolicyDecision.noRule, policyVersion: 0, nameRecord: -1, detail: 0,
        isRedecision: false, staged: nil)

    public init(
        time: Instant, flow: FlowTuple, endpoint: EndpointID?, verdict: Verdict, reason: VerdictReason, rule: UInt32, policyVersion: UInt32,
        nameRecord: Int32, detail: UInt8, isRedecision: Bool, staged: PolicyDecision?
    ) {
        self.time = time
        self.flow = flow
        self.endpoint = endpoint
        self.verdict = verdict
        self.reason = reason
        self.rule = rule
        self.policyVersion = policyVersion
        self.nameRecord = nameRecord
        self.detail = detail
        self.isRedecision = isRedecision
        self.staged = staged
    }
}
