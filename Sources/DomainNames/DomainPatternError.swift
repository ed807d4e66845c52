/// Why a text is no pattern of its dialect.
public struct DomainPatternError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Characters (Unicode scalars) from the beginning of the text; in ASCII these are bytes.
    public let offset: Int
    public let reason: String
    public let hint: String?

    public init(offset: Int, reason: String, hint: String? = nil) {
        self.offset = offset
        self.reason = reason
        self.hint = hint
    }

    public var description: String { hint.map { "\(reason) (\($0))" } ?? reason }

    /// The same, of a text in which this one begins `count` characters later.
    func moved(by count: Int) -> DomainPatternError { DomainPatternError(offset: offset + count, reason: reason, hint: hint) }
}
