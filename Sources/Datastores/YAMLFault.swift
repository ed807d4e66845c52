import PolicyModel

/// Why a text is no YAML that we read.
struct YAMLFault: Error, Hashable {
    /// From 1, columns in Unicode scalars.
    let line: Int
    let column: Int
    let message: String
    /// What to do about it.
    var hint: String
    /// The innermost field that was being read, like `spec.egress[0]`; empty at the top of a document.
    var field = ""

    func location(in file: String) -> SourceLocation { SourceLocation(file: file, line: line, column: column) }
}
