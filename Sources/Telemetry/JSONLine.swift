/// Writes one JSON object on one line (RFC 8259), fields in the order of the calls.
public struct JSONLine: Sendable {
    /// UTF-8, without the closing brace.
    private var text: [UInt8]

    public init() {
        text = [UInt8(ascii: "{")]
        text.reserveCapacity(512)
    }

    public mutating func add(_ name: String, _ value: String) {
        begin(name)
        append(value)
    }

    public mutating func add(_ name: String, _ value: some BinaryInteger) {
        begin(name)
        text += String(value).utf8
    }

    public mutating func add(_ name: String, _ value: Bool) {
        begin(name)
        text += (value ? "true" : "false").utf8
    }

    public mutating func add(_ name: String, _ values: [String]) {
        begin(name)
        text.append(UInt8(ascii: "["))
        for (index, value) in values.enumerated() {
            if index > 0 { text.append(UInt8(ascii: ",")) }
            append(value)
        }
        text.append(UInt8(ascii: "]"))
    }

    /// In the order of the keys.
    public mutating func add(_ name: String, _ values: [String: String]) {
        begin(name)
        text.append(UInt8(ascii: "{"))
        for (index, key) in values.keys.sorted().enumerated() {
            if index > 0 { text.append(UInt8(ascii: ",")) }
            append(key)
            text.append(UInt8(ascii: ":"))
            append(values[key] ?? "")
        }
        text.append(UInt8(ascii: "}"))
    }

    public mutating func addNull(_ name: String) {
        begin(name)
        text += "null".utf8
    }

    public mutating func add(_ name: String, _ objects: [JSONLine]) {
        begin(name)
        text.append(UInt8(ascii: "["))
        for (index, object) in objects.enumerated() {
            if index > 0 { text.append(UInt8(ascii: ",")) }
            text += object.text
            text.append(UInt8(ascii: "}"))
        }
        text.append(UInt8(ascii: "]"))
    }

    public mutating func add(_ name: String, _ object: JSONLine) {
        begin(name)
        text += object.text
        text.append(UInt8(ascii: "}"))
    }

    /// The object, without a line end.
    public var finished: String { String(decoding: text, as: UTF8.self) + "}" }

    private mutating func begin(_ name: String) {
        if text.count > 1 { text.append(UInt8(ascii: ",")) }
        append(name)
        text.append(UInt8(ascii: ":"))
    }

    /// A string in quotes. Most have nothing to escape and are copied as they are: lines are written for every flow.
    private mutating func append(_ value: String) {
        text.append(UInt8(ascii: "\""))
        if value.utf8.contains(where: Self.isEscaped) {
            for byte in value.utf8 { if Self.isEscaped(byte) { text += Self.escape(byte).utf8 } else { text.append(byte) } }
        } else {
            text += value.utf8
        }
        text.append(UInt8(ascii: "\""))
    }

    /// RFC 8259 §7; the bytes of longer characters are all above these.
    private static func isEscaped(_ byte: UInt8) -> Bool { byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") }

    private static func escape(_ byte: UInt8) -> String {
        switch byte {
        case UInt8(ascii: "\""): return "\\\""
        case UInt8(ascii: "\\"): return "\\\\"
        case UInt8(ascii: "\n"): return "\\n"
        case UInt8(ascii: "\r"): return "\\r"
        case UInt8(ascii: "\t"): return "\\t"
        default:
            let digits = String(byte, radix: 16)
            return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        }
    }
}
