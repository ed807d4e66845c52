import PolicyModel

/// Where a rule stands, for logs and `explain`.
public struct RuleDescription: Hashable, Sendable, CustomStringConvertible {
    public let tier: String
    /// `namespace/name`, or the name of a global policy; empty for a tier's default.
    public let policy: String
    /// Place among the egress rules of the policy, from 0; nil for a tier's default.
    public let rule: Int?
    public let action: String
    public let location: SourceLocation?

    /// `default|shop/api|egress[1]|Allow`, the order of Calico's flow logs: tier, policy, rule, action.
    public var description: String {
        "\(tier)|\(policy.isEmpty ? "default-action" : policy)|\(rule.map { "egress[\($0)]" } ?? "-")|\(action)"
    }
}
