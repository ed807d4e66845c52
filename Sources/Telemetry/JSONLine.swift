/// Writes one JSON object on one line (RFC 8259), fields in the order of the calls.
public struct JSONLine: Sendable {
    private var text = "{"

    public init() {}

    public mutating func add(_ name: String, _ value: String) {
        begin(name)
        Self.append(value, to: &text)
    }

    public mutating func add(_ name: String, _ value: some BinaryInteger) {
        begin(name)
        text += String(value)
    }

    public mutating func add(_ name: String, _ value: Bool) {
        begin(name)
        text += value ? "true" : "false"
    }

    public mutating func add(_ name: String, _ values: [String]) {
        begin(name)
        text += "["
        for (index, value) in values.enumerated() {
            if index > 0 { text += "," }
            Self.append(value, to: &text)
        }
        text += "]"
    }

    /// In the order of the keys.
    public mutating func add(_ name: String, _ values: [String: String]) {
        begin(name)
        text += "{"
        for (index, key) in values.keys.sorted().enumerated() {
            if index > 0 { text += "," }
            Self.append(key, to: &text)
            text += ":"
            Self.append(values[key] ?? "", to: &text)
        }
        text += "}"
    }

    /// The object, without a line end.
    public var finished: String { text + "}" }

    private mutating func begin(_ name: String) {
        if text.utf8.count > 1 { text += "," }
        Self.append(name, to: &text)
        text += ":"
    }

    private static func append(_ value: String, to text: inout String) {
        text += "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }
}
