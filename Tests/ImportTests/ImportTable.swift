/// The table below `## Imports` in docs/architecture.md: rows of a module and what it may import.
///
///     | `PacketHeaders` | `NetworkTypes` |
struct ImportTable {
    let rows: [String: [String]]
    /// Modules with more than one row.
    let repeated: [String]

    init(parsing text: String) {
        var rows: [String: [String]] = [:]
        var repeated: [String] = []
        var isInside = false
        for line in text.split(separator: "\n") {
            if line.hasPrefix("#") { isInside = line == "## Imports" }
            guard isInside, line.hasPrefix("|") else { continue }
            let cells = line.split(separator: "|")
            guard cells.count == 2, let module = Self.names(in: cells[0]).first else { continue }
            if rows.updateValue(Self.names(in: cells[1]), forKey: module) != nil { repeated.append(module) }
        }
        self.rows = rows
        self.repeated = repeated
    }

    private static func names(in cell: Substring) -> [String] { cell.matches(of: /`([^`]+)`/).map { String($0.1) } }
}
