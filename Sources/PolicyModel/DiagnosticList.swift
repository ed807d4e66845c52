/// Collects what readers of configuration find, so that one run shows every mistake and not the first alone.
public struct DiagnosticList: Sendable {
    public private(set) var diagnostics: [PolicyDiagnostic] = []
    public private(set) var errorCount = 0

    /// So many are kept; a file with more mistakes shows enough to begin with. `errorCount` counts on. Warnings make way for errors, so that
    /// there is an error among them if there is one at all.
    public static let capacityMax = 1000

    private var warningCount = 0

    public init() {}

    public mutating func append(_ diagnostic: PolicyDiagnostic) {
        if diagnostic.severity == .error { errorCount += 1 }
        keep(diagnostic)
    }

    /// Also counts those that the other list did not keep.
    public mutating func append(contentsOf other: DiagnosticList) {
        for diagnostic in other.diagnostics { keep(diagnostic) }
        errorCount += other.errorCount
    }

    private mutating func keep(_ diagnostic: PolicyDiagnostic) {
        if diagnostics.count == Self.capacityMax {
            guard diagnostic.severity == .error, warningCount > 0, let last = diagnostics.lastIndex(where: { $0.severity == .warning })
            else {
                return
            }
            diagnostics.remove(at: last)
            warningCount -= 1
        }
        diagnostics.append(diagnostic)
        if diagnostic.severity == .warning { warningCount += 1 }
    }

    public mutating func error(at location: SourceLocation?, field: String, _ message: String, hint: String? = nil) {
        append(PolicyDiagnostic(.error, at: location, field: field, message, hint: hint))
    }

    public mutating func warning(at location: SourceLocation?, field: String, _ message: String, hint: String? = nil) {
        append(PolicyDiagnostic(.warning, at: location, field: field, message, hint: hint))
    }
}
