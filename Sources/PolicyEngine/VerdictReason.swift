/// Why a packet was accepted or refused: the one list of reasons (invariant 8). Logs, metrics and `explain` use `label`.
public enum VerdictReason: UInt8, Sendable, Hashable, CaseIterable, BitwiseCopyable {
    // Accepted.
    /// A rule with action Allow matched.
    case policyAllow
    /// No tier decided, the endpoint names no profile, and the configuration allows that: what Kubernetes' namespace profile does.
    case noPolicy
    /// No tier decided, and an Allow rule of a profile of the endpoint matched.
    case profileAllow
    /// A failsafe port of a host endpoint: open whatever policy says.
    case failsafe

    // Refused by policy.
    /// A rule with action Deny matched.
    case policyDeny
    /// A tier selects the endpoint, no rule matched, and its default action is Deny.
    case tierDefaultDeny
    /// As `tierDefaultDeny`, and the endpoint has rules with names that admit the family, protocol and port: it holds no live binding for
    /// the address.
    case addressNotResolved
    /// As `addressNotResolved`, but the endpoint holds the address under other names. Of a query: no rule could allow the name.
    case nameNotAllowed
    /// No tier decided, and the endpoint names no profile: `unselectedEndpoints: deny`, or a host endpoint.
    case noPolicyDeny
    /// No tier decided, and no rule of the endpoint's profiles allowed.
    case profileDeny
    /// The name belongs exclusively to the endpoints of a policy, or to those that are allowed a network set; this is none of them.
    case exclusiveName
    /// Policy allows the flow if it gives the name in its hello (`exeat.io/verify-name: require`), and that was sent before anybody read it.
    case nameUnverified

    // Refused ahead of policy.
    /// VXLAN or IP in IP out of a workload, which could forge the sources of others.
    case encapsulation
    /// The original source of the flow is no endpoint of this node.
    case unknownEndpoint
    /// The packet could not be parsed; `FlowRecord.detail` says why.
    case malformedPacket

    // Refused by built-in rules, which `BuiltInRules` lists.
    /// `builtin:dot`
    case dnsOverTLS
    /// `builtin:doq`
    case dnsOverQUIC
    /// `builtin:doh`
    case dnsOverHTTPS
    /// `builtin:foreign-dns`
    case foreignDNS

    // Refused by the name in the hello (`exeat.io/verify-name: require`). At the end: raw values are kept in files.
    /// It is none under which the endpoint holds the address, or none that policy allows here.
    case nameMismatch
    /// There is none, or it cannot be read within bounds; `FlowRecord.detail` says why (`NameFault`).
    case nameUnreadable
    /// The responder has sent data before any hello.
    case responderFirst

    /// snake_case, stable: logs and metric labels.
    public var label: String {
        switch self {
        case .policyAllow: "policy_allow"
        case .noPolicy: "no_policy"
        case .profileAllow: "profile_allow"
        case .failsafe: "failsafe"
        case .policyDeny: "policy_deny"
        case .tierDefaultDeny: "tier_default_deny"
        case .addressNotResolved: "address_not_resolved"
        case .nameNotAllowed: "name_not_allowed"
        case .noPolicyDeny: "no_policy_deny"
        case .profileDeny: "profile_deny"
        case .exclusiveName: "exclusive_name"
        case .nameUnverified: "name_unverified"
        case .encapsulation: "encapsulation"
        case .unknownEndpoint: "unknown_endpoint"
        case .malformedPacket: "malformed_packet"
        case .dnsOverTLS: "builtin_dot"
        case .dnsOverQUIC: "builtin_doq"
        case .dnsOverHTTPS: "builtin_doh"
        case .foreignDNS: "builtin_foreign_dns"
        case .nameMismatch: "name_mismatch"
        case .nameUnreadable: "name_unreadable"
        case .responderFirst: "responder_first"
        }
    }

    @inlinable
    public var isAllowed: Bool { self == .policyAllow || self == .noPolicy || self == .profileAllow || self == .failsafe }
}
