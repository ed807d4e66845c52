/// Why a text is no pattern of its dialect.
public struct DomainPatternError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Bytes from the beginning of the text.
    public let offset: Int
    public let reason: String
    public let hint: String?

    public init(offset: Int, reason: String, hint: String? = nil) {
        self.offset = offset
        self.reason = reason
        self.hint = hint
    }

    public var description: String { hint.map { "\(reason) (\($0))" } ?? reason }
}
