/// The text format of OpenMetrics 1.0 (https://prometheus.io/docs/specs/om/open_metrics_spec/).
public enum OpenMetricsText {
    public static let contentType = "application/openmetrics-text; version=1.0.0; charset=utf-8"

    /// The whole exposition, `# EOF` included.
    public static func render(_ families: [MetricFamily]) -> String {
        var text = ""
        for family in families {
            text += "# TYPE \(family.name) \(family.kind.rawValue)\n# HELP \(family.name) \(escaped(family.help))\n"
            for sample in family.samples {
                text += family.name + suffix(of: sample, in: family)
                if !sample.labels.isEmpty {
                    text += "{" + sample.labels.map { "\($0.name)=\"\(escaped($0.value))\"" }.joined(separator: ",") + "}"
                }
                text += " \(number(sample.value))\n"
            }
        }
        return text + "# EOF\n"
    }

    private static func suffix(of sample: MetricFamily.Sample, in family: MetricFamily) -> String {
        switch family.kind {
        case .counter: "_total"
        case .info: "_info"
        case .gauge, .histogram: sample.suffix
        }
    }

    /// Of HELP texts and label values alike: unlike the older text format, OpenMetrics escapes quotes in both.
    private static func escaped(_ text: String) -> String {
        var result = ""
        for character in text.unicodeScalars {
            switch character {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"": result += "\\\""
            default: result.unicodeScalars.append(character)
            }
        }
        return result
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 9e15 ? String(Int64(value)) : String(value)
    }
}
