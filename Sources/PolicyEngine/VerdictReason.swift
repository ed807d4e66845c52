/// Why a packet was accepted or refused: the one list of reasons (invariant 8). Logs, metrics and `explain` use `label`.
public enum VerdictReason: UInt8, Sendable, Hashable, CaseIterable, BitwiseCopyable {
    // Accepted.
    /// A rule with action Allow matched.
    case policyAllow
    /// No egress policy selects the endpoint, or every tier passed: what Kubernetes' namespace profile allows.
    case noPolicy

    // Refused by policy.
    /// A rule with action Deny matched.
    case policyDeny
    /// A tier selects the endpoint, no rule matched, and its default action is Deny.
    case tierDefaultDeny
    /// As `tierDefaultDeny`, and a domain rule would have matched had the endpoint resolved this address: it holds no live
    /// binding for it.
    case addressNotResolved
    /// As `addressNotResolved`, but the endpoint holds the address under other names than those of the rule.
    case nameNotAllowed
    /// `unselectedEndpoints: deny`, and no policy selects the endpoint.
    case noPolicyDeny

    // Refused ahead of policy.
    /// The original source of the flow is no endpoint of this node.
    case unknownEndpoint
    /// The packet could not be parsed; `FlowRecord.detail` says why.
    case malformedPacket

    /// snake_case, stable: logs and metric labels.
    public var label: String {
        switch self {
        case .policyAllow: "policy_allow"
        case .noPolicy: "no_policy"
        case .policyDeny: "policy_deny"
        case .tierDefaultDeny: "tier_default_deny"
        case .addressNotResolved: "address_not_resolved"
        case .nameNotAllowed: "name_not_allowed"
        case .noPolicyDeny: "no_policy_deny"
        case .unknownEndpoint: "unknown_endpoint"
        case .malformedPacket: "malformed_packet"
        }
    }

    @inlinable
    public var isAllowed: Bool { self == .policyAllow || self == .noPolicy }
}
