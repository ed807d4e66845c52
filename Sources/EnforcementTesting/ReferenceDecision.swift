import DomainNames

/// What the reference evaluator says of one flow.
public struct ReferenceDecision: Hashable, Sendable {
    public var reason: ReferenceReason
    /// Of the rule or default that decided; empty beyond the tiers.
    public var tier = ""
    /// Identity of the policy, name of the profile, identity of the exclusive set; empty for a tier's default.
    public var policy = ""
    /// Place among the egress rules; nil if no rule of a resource decided.
    public var rule: Int?
    /// Whether the deciding rule matched without the help of a name.
    public var matchedByAddress = true
    /// Patterns of the deciding rule that match a name under which the destination is held.
    public var patterns: Set<DomainPattern> = []

    // For coverage.

    /// The criteria that the deciding rule has.
    public var fields: ReferenceField.Set = []
    /// The criteria by which earlier rules did not match.
    public var missed: ReferenceField.Set = []
    /// Tiers that were left by Pass, by their default Pass, and those that did not count.
    public var passes = 0
    public var defaultPasses = 0
    public var uncountedTiers = 0
    public var loggedRules = 0

    public init(_ reason: ReferenceReason) { self.reason = reason }

    public var isAllowed: Bool { reason.isAllowed }
}
