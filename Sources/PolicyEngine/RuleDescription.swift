import PolicyModel

/// Where a rule stands, for logs and `explain`.
public struct RuleDescription: Hashable, Sendable, CustomStringConvertible {
    public enum Origin: Hashable, Sendable {
        /// A rule of a policy, or the default action of a tier.
        case policy
        case profile
        /// The implicit Deny of an exclusive policy for endpoints that it does not select.
        case exclusivePolicy
        /// The implicit Deny of an exclusive network set.
        case exclusiveSet
    }

    /// Empty for profiles and network sets.
    public let tier: String
    /// `namespace/name`, or the name of a global policy, a profile or a set; empty for a tier's default.
    public let policy: String
    /// Place among the egress (or ingress) rules of the policy, from 0; nil for a tier's default and for implicit rules.
    public let rule: Int?
    /// As written; `Deny` for implicit rules.
    public let action: String
    public let location: SourceLocation?
    public let origin: Origin
    public let direction: PolicyType

    public init(
        tier: String, policy: String, rule: Int?, action: String, location: SourceLocation?, origin: Origin = .policy,
        direction: PolicyType = .egress
    ) {
        self.tier = tier
        self.policy = policy
        self.rule = rule
        self.action = action
        self.location = location
        self.origin = origin
        self.direction = direction
    }

    /// `default|shop/api|egress[1]|Allow`, the order of Calico's flow logs: tier, policy, rule, action.
    public var description: String {
        let place = rule.map { "\(direction == .egress ? "egress" : "ingress")[\($0)]" }
        return switch origin {
        case .policy: "\(tier)|\(policy.isEmpty ? "default-action" : policy)|\(place ?? "-")|\(action)"
        case .profile: "profile|\(policy)|\(place ?? "-")|\(action)"
        case .exclusivePolicy: "\(tier)|\(policy)|exclusive|\(action)"
        case .exclusiveSet: "set|\(policy)|exclusive|\(action)"
        }
    }
}
