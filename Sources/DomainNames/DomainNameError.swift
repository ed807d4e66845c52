/// Why bytes or a text are no domain name.
public struct DomainNameError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Reason: String, Sendable, Hashable, CaseIterable {
        case empty = "an empty text is no name"
        case emptyLabel = "a label is empty"
        case labelTooLong = "a label has more than 63 bytes"
        case tooLong = "a name has more than 255 bytes"
        case truncated = "the name ends within a label"
        case trailingBytes = "bytes follow the name"
        case notFolded = "upper-case letter in a folded name"
        case notASCII = "a letter outside ASCII beside an escape"
        case notInternational = "letters outside ASCII that IDNA2008 does not allow so"
        case controlCharacter = "white space or a control character"
        case badEscape = "an escape is \\DDD up to 255, or \\ and one character"
    }

    public let reason: Reason
    /// From the beginning of the input: bytes, or characters (Unicode scalars) of a text.
    public let offset: Int

    public init(_ reason: Reason, offset: Int) {
        self.reason = reason
        self.offset = offset
    }

    public var description: String { reason.rawValue }
}
