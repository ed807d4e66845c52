import PolicyModel
import Telemetry

/// A diagnostic as a JSON line.
enum DiagnosticLine {
    static func json(_ diagnostic: PolicyDiagnostic) -> String {
        var line = JSONLine()
        line.add("severity", diagnostic.severity == .error ? "error" : "warning")
        if let location = diagnostic.location {
            line.add("file", location.file)
            line.add("line", location.line)
            line.add("column", location.column)
        }
        line.add("field", diagnostic.field)
        line.add("message", diagnostic.message)
        if let hint = diagnostic.hint { line.add("hint", hint) }
        return line.finished
    }
}
