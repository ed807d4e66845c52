/// Recursive descent over the bytes of a selector; the grammar stands at `Selector`.
///
/// Only space and tab separate tokens, as in Calico; inside `has( )`, `all( )` and between the words of an operator any
/// ASCII white space may stand.
struct SelectorParser {
    private let bytes: [UInt8]
    private var offset = 0

    static let lengthMax = 65_536
    static let nestingMax = 64
    static let labelLengthMax = 512

    init(_ text: some StringProtocol) { bytes = Array(text.utf8) }

    mutating func parse() throws(SelectorError) -> Selector.Expression {
        guard bytes.count <= Self.lengthMax else {
            throw SelectorError(offset: Self.lengthMax, reason: "the selector is longer than \(Self.lengthMax) bytes")
        }
        skipBlanks()
        if offset == bytes.count { return .all }
        let expression = try parseOr(depth: 0)
        guard offset == bytes.count else { throw unexpected(wanted: "&&, || or the end") }
        return expression
    }

    private mutating func parseOr(depth: Int) throws(SelectorError) -> Selector.Expression {
        var parts = [try parseAnd(depth: depth)]
        while try takeDoubled(UInt8(ascii: "|")) { parts.append(try parseAnd(depth: depth)) }
        return parts.count == 1 ? parts[0] : .or(parts)
    }

    private mutating func parseAnd(depth: Int) throws(SelectorError) -> Selector.Expression {
        var parts = [try parseOperand(depth: depth)]
        while try takeDoubled(UInt8(ascii: "&")) { parts.append(try parseOperand(depth: depth)) }
        return parts.count == 1 ? parts[0] : .and(parts)
    }

    private mutating func parseOperand(depth: Int) throws(SelectorError) -> Selector.Expression {
        guard depth < Self.nestingMax else {
            throw SelectorError(offset: offset, reason: "more than \(Self.nestingMax) levels of parentheses")
        }
        skipBlanks()
        var isNegated = false
        while current == UInt8(ascii: "!"), next != UInt8(ascii: "=") {
            isNegated.toggle()
            offset += 1
            skipBlanks()
        }
        let operand = try parsePositiveOperand(depth: depth)
        return isNegated ? .not(operand) : operand
    }

    private mutating func parsePositiveOperand(depth: Int) throws(SelectorError) -> Selector.Expression {
        if take("(") {
            let inner = try parseOr(depth: depth + 1)
            skipBlanks()
            guard take(")") else { throw unexpected(wanted: ")") }
            return inner
        }
        if take("has(") {
            skipWhiteSpace()
            guard let label = try takeLabel() else { throw unexpected(wanted: "a label name") }
            try takeClosing()
            return .has(label)
        }
        if take("all(") {
            try takeClosing()
            return .all
        }
        if take("global(") {
            try takeClosing()
            return .global
        }
        guard let label = try takeLabel() else { throw unexpected(wanted: "a label name, has(), all() or (") }
        return try parseOperation(on: label)
    }

    private mutating func parseOperation(on label: String) throws(SelectorError) -> Selector.Expression {
        skipBlanks()
        let start = offset
        if take("==") { return .equal(label, try takeText()) }
        if take("!=") { return .notEqual(label, try takeText()) }
        if take("contains") { return .contains(label, try takeText()) }
        if takeWords("starts", "with") { return .startsWith(label, try takeText()) }
        if takeWords("ends", "with") { return .endsWith(label, try takeText()) }
        if takeWords("not", "in"), !isWordByte(current) { return .isNotIn(label, try takeSet()) }
        offset = start
        if take("in"), !isWordByte(current) { return .isIn(label, try takeSet()) }
        offset = start
        if current == UInt8(ascii: "=") { throw SelectorError(offset: offset, reason: "a single = is no operator, write ==") }
        throw unexpected(wanted: "==, !=, in, not in, contains, starts with or ends with after the label \"\(label.prefix(64))\"")
    }

    // Tokens

    private var current: UInt8? { offset < bytes.count ? bytes[offset] : nil }
    private var next: UInt8? { offset + 1 < bytes.count ? bytes[offset + 1] : nil }

    private mutating func skipBlanks() {
        while current == UInt8(ascii: " ") || current == UInt8(ascii: "\t") { offset += 1 }
    }

    private mutating func skipWhiteSpace() {
        while let byte = current, byte == UInt8(ascii: " ") || (9...13).contains(byte) { offset += 1 }
    }

    private mutating func take(_ text: StaticString) -> Bool {
        let wanted = Array(text.description.utf8)
        guard bytes[offset...].starts(with: wanted) else { return false }
        offset += wanted.count
        return true
    }

    /// Two words, with or without white space between; leaves the position alone if they do not stand here.
    private mutating func takeWords(_ first: StaticString, _ second: StaticString) -> Bool {
        let start = offset
        if take(first) {
            skipWhiteSpace()
            if take(second) { return true }
        }
        offset = start
        return false
    }

    private mutating func takeClosing() throws(SelectorError) {
        skipWhiteSpace()
        guard take(")") else { throw unexpected(wanted: ")") }
    }

    /// `&&` or `||` after blanks; a single one is an error.
    private mutating func takeDoubled(_ byte: UInt8) throws(SelectorError) -> Bool {
        skipBlanks()
        guard current == byte else { return false }
        guard next == byte else {
            let shown = String(UnicodeScalar(byte))
            throw SelectorError(offset: offset, reason: "a single \(shown) is no operator, write \(shown)\(shown)")
        }
        offset += 2
        return true
    }

    private mutating func takeLabel() throws(SelectorError) -> String? {
        let name = bytes[offset...].prefix { byte in
            isWordByte(byte) || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "/") || byte == UInt8(ascii: "-")
        }
        guard !name.isEmpty else { return nil }
        guard name.count <= Self.labelLengthMax else {
            throw SelectorError(offset: offset, reason: "the label name is longer than \(Self.labelLengthMax) characters")
        }
        offset += name.count
        return String(decoding: name, as: UTF8.self)
    }

    private mutating func takeText() throws(SelectorError) -> String {
        skipBlanks()
        guard let quote = current, quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") else {
            throw unexpected(wanted: "a text in quotes")
        }
        guard let end = bytes[(offset + 1)...].firstIndex(of: quote) else {
            throw SelectorError(offset: offset, reason: "the text has no closing quote")
        }
        defer { offset = end + 1 }
        return String(decoding: bytes[(offset + 1)..<end], as: UTF8.self)
    }

    private mutating func takeSet() throws(SelectorError) -> [String] {
        skipBlanks()
        guard take("{") else { throw unexpected(wanted: "{") }
        var texts: [String] = []
        skipBlanks()
        while current != UInt8(ascii: "}") {
            texts.append(try takeText())
            skipBlanks()
            guard take(",") else { break }
            skipBlanks()
        }
        guard take("}") else { throw unexpected(wanted: ", or }") }
        texts.sort { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        var unique: [String] = []
        for text in texts where !(unique.last?.utf8.elementsEqual(text.utf8) ?? false) { unique.append(text) }
        return unique
    }

    private func isWordByte(_ byte: UInt8?) -> Bool {
        guard let byte else { return false }
        return switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "_"):
            true
        default: false
        }
    }

    private func unexpected(wanted: String) -> SelectorError {
        guard offset < bytes.count else { return SelectorError(offset: offset, reason: "the selector ends where \(wanted) should stand") }
        let rest = String(decoding: bytes[offset...].prefix(80), as: UTF8.self).prefix(12)
        return SelectorError(offset: offset, reason: "expected \(wanted), found \"\(rest)\"")
    }
}
