/// Why a name may not be asked for.
public struct NameRefusal: Hashable, Sendable {
    public let reason: AnswerRefusal
    /// The rule that says so, `tier|policy|egress[index]|action`; nil if it is that there is none.
    public let rule: String?

    public init(_ reason: AnswerRefusal, rule: String? = nil) {
        self.reason = reason
        self.rule = rule
    }
}
