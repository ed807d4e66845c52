/// Where something stands in a configuration file, for messages.
public struct SourceLocation: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The file as the user named it, not made absolute.
    public let file: String
    /// From 1; 0 means the file as a whole (it cannot be read, say).
    public let line: Int
    /// From 1, counted in Unicode scalars; 0 together with line 0.
    public let column: Int

    public init(file: String, line: Int, column: Int) {
        self.file = file
        self.line = line
        self.column = column
    }

    /// The file as a whole.
    public init(file: String) { self.init(file: file, line: 0, column: 0) }

    public static func < (left: SourceLocation, right: SourceLocation) -> Bool {
        (left.file, left.line, left.column) < (right.file, right.line, right.column)
    }

    /// `file:line:column`, or `file` alone.
    public var description: String { line == 0 ? file : "\(file):\(line):\(column)" }
}
