/// One `import` of a Swift file.
struct ImportStatement: Equatable {
    /// `@preconcurrency`, `@testable` and so on, as written.
    let attributes: [String]
    /// The module, also of `import struct Foundation.Data`.
    let module: String

    init(module: String, attributes: [String] = []) {
        self.attributes = attributes
        self.module = module
    }

    /// Every import that begins a line or follows a semicolon. A line inside a multi-line string looks the same and counts too.
    static func all(in text: String) -> [ImportStatement] {
        let pattern =
            /^\s*((?:@\w+(?:\([^)]*\))?\s+)*)(?:(?:public|package|internal|fileprivate|private)\s+)?import\s+(?:(?:typealias|struct|class|enum|protocol|let|var|func)\s+)?(\w+)/
        return text.split { $0 == "\n" || $0 == "\r\n" || $0 == ";" }.compactMap { line in
            line.firstMatch(of: pattern).map { match in
                ImportStatement(module: String(match.2), attributes: match.1.split(separator: " ").map(String.init))
            }
        }
    }
}
