/// One reading of `/metrics`.
struct Metrics: Sendable {
    /// `name{labels}` as it is written -> value.
    let values: [String: Double]

    init(text: String) {
        var values: [String: Double] = [:]
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            guard let space = line.lastIndex(of: " "), let value = Double(line[line.index(after: space)...]) else { continue }
            values[String(line[..<space])] = value
        }
        self.values = values
    }

    /// NaN when there is no such sample, so that no comparison with it holds.
    subscript(sample: String) -> Double { values[sample] ?? .nan }
}
