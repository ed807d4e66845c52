/// Why a question about policy cannot be answered: what is wrong, and the way out.
public struct PolicyToolError: Error, Hashable, Sendable, CustomStringConvertible {
    public let message: String
    public let hint: String?

    public init(_ message: String, hint: String? = nil) {
        self.message = message
        self.hint = hint
    }

    public var description: String { hint.map { "\(message) (\($0))" } ?? message }
}
