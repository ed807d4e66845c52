import Foundation

/// A page under `docs/`, or the README: its tables and its YAML.
struct DocumentationPage {
    let text: String

    init(_ path: String) throws { text = try String(contentsOf: Program.repository.appending(path: path), encoding: .utf8) }

    /// Rows of all tables with so many columns whose first cell is one word in backquotes, heads left out.
    func rows(columns: Int) -> [[String]] {
        text.split(separator: "\n").compactMap { line in
            guard line.hasPrefix("| `") else { return nil }
            let cells = line.dropFirst().split(separator: "|", omittingEmptySubsequences: false).dropLast()
                .map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count == columns, Self.words(cells[0]).count == 1 else { return nil }
            return cells
        }
    }

    /// The words in backquotes.
    static func words(_ text: String) -> [String] {
        text.split(separator: "`", omittingEmptySubsequences: false).enumerated().compactMap {
            $0.offset % 2 == 1 ? String($0.element) : nil
        }
    }

    /// What stands between the fences of YAML blocks.
    var yamlBlocks: [String] {
        text.components(separatedBy: "```yaml\n").dropFirst().compactMap { $0.components(separatedBy: "```").first }
    }
}
