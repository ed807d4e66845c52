/// The rows of one run, printed as Markdown.
struct ResultTable {
    struct Row {
        let what: String
        let measured: String
        let anchor: String
        /// Measured over anchor, median of the pairs.
        var ratio: Interval?
        /// Anchor over anchor, median of the pairs.
        var anchorSpread: Interval?
        var bar: Bar?
    }

    /// What the project holds itself to.
    enum Bar {
        case ratioAtMost(Double)
        case ratioAtLeast(Double)
        /// A text for the bar and whether it is met.
        case stated(String, isMet: Bool)
    }

    private(set) var rows: [Row] = []

    mutating func add(_ row: Row) { rows.append(row) }

    mutating func add(_ other: ResultTable) { rows += other.rows }

    /// Whether every bar is met; a ratio by its median.
    var meetsBars: Bool { rows.allSatisfy { Self.verdict($0)?.isMet ?? true } }

    var markdown: String {
        var lines = [
            "| What | Measured | Anchor | Ratio, median [95 %] | Anchor to itself | Bar |", "| --- | --- | --- | --- | --- | --- |",
        ]
        for row in rows {
            let bar = Self.verdict(row).map { "\($0.text): \($0.isMet ? "met" : "**missed**")" } ?? "-"
            lines.append(
                "| \(row.what) | \(row.measured) | \(row.anchor) | \(row.ratio?.text ?? "-") | \(row.anchorSpread?.text ?? "-") | \(bar) |")
        }
        return lines.joined(separator: "\n")
    }

    private static func verdict(_ row: Row) -> (text: String, isMet: Bool)? {
        switch row.bar {
        case .ratioAtMost(let limit): ("≤ \(limit.rounded(2))", (row.ratio?.median ?? .infinity) <= limit)
        case .ratioAtLeast(let limit): ("≥ \(limit.rounded(2))", (row.ratio?.median ?? 0) >= limit)
        case .stated(let text, let isMet): (text, isMet)
        case nil: nil
        }
    }
}
