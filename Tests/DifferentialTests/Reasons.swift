import EnforcementTesting
import PolicyEngine

/// The engine's reasons beside those of the reference.
enum Reasons {
    static func isSame(_ engine: VerdictReason, _ reference: ReferenceReason) -> Bool {
        switch reference {
        case .policyAllow: engine == .policyAllow
        case .profileAllow: engine == .profileAllow
        case .noPolicy: engine == .noPolicy
        case .failsafe: engine == .failsafe
        case .policyDeny: engine == .policyDeny
        case .profileDeny: engine == .profileDeny
        case .tierDefaultDeny: engine == .tierDefaultDeny
        case .addressNotResolved: engine == .addressNotResolved
        case .nameNotAllowed: engine == .nameNotAllowed
        case .noPolicyDeny: engine == .noPolicyDeny
        case .exclusiveName: engine == .exclusiveName
        case .encapsulation: engine == .encapsulation
        }
    }
}
