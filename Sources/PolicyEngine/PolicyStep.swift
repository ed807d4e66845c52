/// One step of an endpoint's program: the rules of one policy, or the end of a tier.
@frozen
@usableFromInline
struct PolicyStep: Sendable, BitwiseCopyable {
    @frozen
    @usableFromInline
    enum Kind: UInt8, Sendable, BitwiseCopyable { case policy, tierDeny, tierPass }

    @usableFromInline let kind: Kind
    /// Of a policy: its rules.
    @usableFromInline let firstRule: UInt32
    @usableFromInline let ruleCount: UInt32
    /// Of a policy: steps to go forward on Pass, to the first step of the next tier.
    @usableFromInline var stepsToNextTier: UInt32
    /// Of a tier's end: its description.
    @usableFromInline let description: UInt32
}
