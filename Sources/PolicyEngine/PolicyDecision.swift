/// What policy says of one flow, and which rule said it.
@frozen
public struct PolicyDecision: Hashable, Sendable, BitwiseCopyable {
    public let reason: VerdictReason
    /// For `CompiledPolicy.description(ofRule:)`; `noRule` if none decided.
    public let rule: UInt32
    /// The pattern by which the destination matched; `anyName` if no name was involved.
    public let pattern: PatternNumber

    public static let noRule: UInt32 = .max

    @inlinable
    public init(reason: VerdictReason, rule: UInt32, pattern: PatternNumber) {
        self.reason = reason
        self.rule = rule
        self.pattern = pattern
    }

    @inlinable
    public var isAllowed: Bool { reason.isAllowed }
}
