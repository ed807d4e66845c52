/// One metric with its samples (OpenMetrics 1.0, "Metric Families").
public struct MetricFamily: Sendable {
    public enum Kind: String, Sendable {
        case counter
        case gauge
        case histogram
        case info
    }

    /// One value. `suffix` is appended to the family's name (`_bucket`, `_sum`, `_count`); counters get `_total` by themselves.
    public struct Sample: Sendable {
        public let suffix: String
        public let labels: [(name: String, value: String)]
        public let value: Double

        public init(suffix: String = "", labels: [(name: String, value: String)] = [], value: Double) {
            self.suffix = suffix
            self.labels = labels
            self.value = value
        }
    }

    /// Without `_total`.
    public let name: String
    public let kind: Kind
    public let help: String
    public var samples: [Sample]

    public init(_ name: String, _ kind: Kind, help: String, samples: [Sample]) {
        self.name = name
        self.kind = kind
        self.help = help
        self.samples = samples
    }

    /// A family with one sample without labels.
    public init(_ name: String, _ kind: Kind, help: String, value: some BinaryInteger) {
        self.init(name, kind, help: help, samples: [Sample(value: Double(value))])
    }

    /// A family with one sample for each value of one label.
    public init(_ name: String, _ kind: Kind, help: String, by label: String, _ values: [(String, some BinaryInteger)]) {
        self.init(name, kind, help: help, samples: values.map { Sample(labels: [(label, $0.0)], value: Double($0.1)) })
    }
}
