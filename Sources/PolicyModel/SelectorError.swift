/// Why a text is no selector.
public struct SelectorError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Bytes from the start of the text.
    public let offset: Int
    public let reason: String

    public init(offset: Int, reason: String) {
        self.offset = offset
        self.reason = reason
    }

    /// Counts characters from 1, as an editor does.
    public var description: String { "\(reason), at character \(offset + 1)" }
}
