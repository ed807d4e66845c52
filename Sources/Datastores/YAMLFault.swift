import PolicyModel

/// Why a text is no YAML that we read.
struct YAMLFault: Error, Hashable {
    /// From 1, columns in Unicode scalars.
    let line: Int
    let column: Int
    let message: String
    var hint: String?

    func location(in file: String) -> SourceLocation { SourceLocation(file: file, line: line, column: column) }
}
