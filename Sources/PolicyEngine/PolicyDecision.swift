/// What policy says of one flow, and which rule said it.
@frozen
public struct PolicyDecision: Hashable, Sendable, BitwiseCopyable {
    public let reason: VerdictReason
    /// Index into `CompiledPolicy.descriptions`; `noRule` if none decided.
    public let rule: UInt32
    /// The selector number by which the destination matched; `anyNameSelector` if no name was involved.
    public let selector: SelectorNumber

    public static let noRule: UInt32 = .max

    @inlinable
    public init(reason: VerdictReason, rule: UInt32, selector: SelectorNumber) {
        self.reason = reason
        self.rule = rule
        self.selector = selector
    }

    @inlinable
    public var isAllowed: Bool { reason.isAllowed }
}
