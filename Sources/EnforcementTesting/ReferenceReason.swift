/// Why a flow is allowed or denied, in the words of `VerdictReason`.
public enum ReferenceReason: String, CaseIterable, Sendable {
    case policyAllow, profileAllow, noPolicy, failsafe
    case policyDeny, profileDeny, tierDefaultDeny, addressNotResolved, nameNotAllowed, noPolicyDeny, exclusiveName, encapsulation

    public var isAllowed: Bool {
        switch self {
        case .policyAllow, .profileAllow, .noPolicy, .failsafe: true
        default: false
        }
    }
}
