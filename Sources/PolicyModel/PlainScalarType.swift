/// What an unquoted YAML scalar stands for to the Kubernetes API (YAML 1.1 as go-yaml reads it): `1.0` is a number and
/// `yes` a truth value, so neither may stand where a text is wanted. Null is told apart before.
enum PlainScalarType {
    case text, number, boolean

    private static let booleans: Set<String> = [
        "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON",
        "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF",
    ]
    private static let specialFloats: Set<String> = [
        ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF", ".nan", ".NaN", ".NAN",
    ]

    init(of text: String) {
        if Self.booleans.contains(text) {
            self = .boolean
        } else if Self.specialFloats.contains(text) || Self.isInteger(text) || Self.isDecimal(Array(text.utf8)) {
            self = .number
        } else {
            self = .text
        }
    }

    /// Digits with a zero before them, with or without sign: `0100` is 64 to the Kubernetes API. `0` and `0.5` are not.
    static func isOctal(_ text: String) -> Bool {
        var digits = Array(text.utf8)[...]
        if let first = digits.first, first == UInt8(ascii: "+") || first == UInt8(ascii: "-") { digits.removeFirst() }
        return digits.count > 1 && digits.first == UInt8(ascii: "0") && digits.allSatisfy { (48...57).contains($0) }
    }

    /// Decimal, `0x`, `0o`, `0b`, with sign and with `_` between digits.
    private static func isInteger(_ text: String) -> Bool {
        var digits = text.utf8.filter { $0 != UInt8(ascii: "_") }
        guard let first = text.utf8.first, first != UInt8(ascii: "_") else { return false }
        if digits.first == UInt8(ascii: "+") || digits.first == UInt8(ascii: "-") { digits.removeFirst() }
        var radix: UInt8 = 10
        if digits.count > 2, digits[0] == UInt8(ascii: "0") {
            switch digits[1] {
            case UInt8(ascii: "x"), UInt8(ascii: "X"): radix = 16
            case UInt8(ascii: "o"): radix = 8
            case UInt8(ascii: "b"): radix = 2
            default: break
            }
            if radix != 10 { digits.removeFirst(2) }
        }
        return !digits.isEmpty
            && digits.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0") < radix
                case UInt8(ascii: "a")...UInt8(ascii: "f"), UInt8(ascii: "A")...UInt8(ascii: "F"): radix == 16
                default: false
                }
            }
    }

    /// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
    static func isDecimal(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        func takeSign() {
            if let first = rest.first, first == UInt8(ascii: "+") || first == UInt8(ascii: "-") { rest.removeFirst() }
        }
        func takeDigits() -> Int {
            let digits = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            rest = rest.dropFirst(digits.count)
            return digits.count
        }
        takeSign()
        let whole = takeDigits()
        var fraction = 0
        if rest.first == UInt8(ascii: ".") {
            rest.removeFirst()
            fraction = takeDigits()
        }
        guard whole + fraction > 0 else { return false }
        if let mark = rest.first, mark == UInt8(ascii: "e") || mark == UInt8(ascii: "E") {
            rest.removeFirst()
            takeSign()
            guard takeDigits() > 0 else { return false }
        }
        return rest.isEmpty
    }
}
