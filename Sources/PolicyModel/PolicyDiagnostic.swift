/// One finding about a configuration: where, which field, what is wrong and how to mend it.
public struct PolicyDiagnostic: Sendable, Hashable, CustomStringConvertible {
    public enum Severity: String, Sendable, Hashable {
        /// The configuration must not be used.
        case error
        /// It can be used, but perhaps does not mean what its author thinks.
        case warning
    }

    public let severity: Severity
    public let location: SourceLocation?
    /// The field path from the top of the document, `spec.egress[0].destination.domains[1]`; empty for the document or file.
    public let field: String
    public let message: String
    /// What to do about it.
    public let hint: String?

    public init(_ severity: Severity, at location: SourceLocation?, field: String = "", _ message: String, hint: String? = nil) {
        self.severity = severity
        self.location = location
        self.field = field
        self.message = message
        self.hint = hint
    }

    /// `file:line:column: error: field: message (hint)`, on one line.
    public var description: String {
        var text = location.map { "\($0): " } ?? ""
        text += "\(severity.rawValue): "
        if !field.isEmpty { text += "\(field): " }
        text += message
        if let hint { text += " (\(hint))" }
        return text
    }
}

extension Sequence where Element == PolicyDiagnostic {
    /// Whether the configuration must not be used.
    public var containsError: Bool { contains { $0.severity == .error } }

    /// By place; findings without a place first.
    public func sortedByLocation() -> [PolicyDiagnostic] {
        enumerated().sorted { left, right in
            switch (left.element.location, right.element.location) {
            case (let one?, let other?) where one != other: one < other
            case (nil, _?): true
            case (_?, nil): false
            default: left.offset < right.offset
            }
        }.map(\.element)
    }
}
