import PolicyModel

/// What policy says of one flow, and which rule said it.
@frozen
public struct PolicyDecision: Hashable, Sendable, BitwiseCopyable {
    public let reason: VerdictReason
    /// For `CompiledPolicy.description(ofRule:)`; `noRule` if none decided.
    public let rule: UInt32
    /// The pattern by which the destination matched; `anyName` if no name was involved.
    public let pattern: PatternNumber

    /// Whether the flow has to give its name: `off` unless it was allowed by a name, on a port where names are verified. Whether the name
    /// that it gives is allowed is asked with `evaluate(endpoint:_:seenName:bindings:)`.
    public let nameCheck: NameVerification

    public static let noRule: UInt32 = .max

    @inlinable
    public init(reason: VerdictReason, rule: UInt32, pattern: PatternNumber, nameCheck: NameVerification = .off) {
        self.reason = reason
        self.rule = rule
        self.pattern = pattern
        self.nameCheck = nameCheck
    }

    @inlinable
    public var isAllowed: Bool { reason.isAllowed }
}
