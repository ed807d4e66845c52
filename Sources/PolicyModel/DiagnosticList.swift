/// Collects what readers of configuration find, so that one run shows every mistake and not the first alone.
public struct DiagnosticList: Sendable {
    public private(set) var diagnostics: [PolicyDiagnostic] = []
    public private(set) var errorCount = 0

    /// So many are kept; a file with more mistakes shows enough to begin with. `errorCount` counts on.
    public static let capacityMax = 1000

    public init() {}

    public mutating func append(_ diagnostic: PolicyDiagnostic) {
        if diagnostic.severity == .error { errorCount += 1 }
        if diagnostics.count < Self.capacityMax { diagnostics.append(diagnostic) }
    }

    /// Also counts those that the other list did not keep.
    public mutating func append(contentsOf other: DiagnosticList) {
        for diagnostic in other.diagnostics.prefix(max(0, Self.capacityMax - diagnostics.count)) { diagnostics.append(diagnostic) }
        errorCount += other.errorCount
    }

    public mutating func error(at location: SourceLocation?, field: String, _ message: String, hint: String? = nil) {
        append(PolicyDiagnostic(.error, at: location, field: field, message, hint: hint))
    }

    public mutating func warning(at location: SourceLocation?, field: String, _ message: String, hint: String? = nil) {
        append(PolicyDiagnostic(.warning, at: location, field: field, message, hint: hint))
    }
}
