/// The labels of a pattern's text, in lower case, with their places; and what is wrong with it in any dialect.
struct DomainPatternText {
    struct Label {
        /// ASCII: letters, digits, `-`, `_` and `*`.
        let bytes: [UInt8]
        /// Characters from the beginning of the text.
        let offset: Int

        var hasStar: Bool { bytes.contains(UInt8(ascii: "*")) }
        var isStar: Bool { bytes == [UInt8(ascii: "*")] }
    }

    /// Leaf first, as written; empty for the root.
    private(set) var labels: [Label] = []
    /// Characters in the text.
    let count: Int
    let endsWithDot: Bool

    init(_ text: String) throws(DomainPatternError) {
        let scalars = Array(text.unicodeScalars)
        count = scalars.count
        endsWithDot = scalars.last.map(InternationalLabel.isDot) ?? false
        guard !scalars.isEmpty else { throw DomainPatternError(offset: 0, reason: "an empty text is no name") }
        try Self.refuseForeign(scalars)
        for (offset, scalar) in scalars.enumerated() { try Self.check(scalar, at: offset) }
        if scalars.count == 1, endsWithDot { return }
        var start = 0
        for position in 0...scalars.count where position == scalars.count || InternationalLabel.isDot(scalars[position]) {
            if position == scalars.count, endsWithDot { break }
            guard labels.count <= DomainName.labelsMax else {
                throw DomainPatternError(offset: count, reason: DomainNameError.Reason.tooLong.rawValue)
            }
            labels.append(try Self.label(scalars[start..<position], at: start))
            start = position + 1
        }
    }

    private static func label(_ scalars: ArraySlice<Unicode.Scalar>, at offset: Int) throws(DomainPatternError) -> Label {
        guard !scalars.isEmpty else {
            throw DomainPatternError(offset: offset, reason: "a label is empty", hint: "two dots in a row, or a dot at the start")
        }
        if scalars.allSatisfy(\.isASCII) {
            let bytes = scalars.map { DomainName.folded(UInt8($0.value)) }
            if InternationalLabel.isALabel(bytes), !bytes.contains(UInt8(ascii: "*")), bytes.count <= DomainName.labelBytesMax {
                try translating(offset) { () throws(InternationalLabel.Failure) in try InternationalLabel.check(aLabel: bytes) }
            }
            return Label(bytes: bytes, offset: offset)
        }
        guard !scalars.contains("*") else {
            throw DomainPatternError(
                offset: offset, reason: "\"*\" within a label cannot stand beside letters outside ASCII",
                hint: "write the A-label (xn--...)")
        }
        guard scalars.count <= DomainName.labelBytesMax else {
            throw DomainPatternError(offset: offset + DomainName.labelBytesMax, reason: DomainNameError.Reason.labelTooLong.rawValue)
        }
        let text = String(String.UnicodeScalarView(scalars))
        let bytes = try translating(offset) { () throws(InternationalLabel.Failure) in try InternationalLabel.aLabel(of: text) }
        return Label(bytes: bytes, offset: offset)
    }

    private static func translating<Value>(
        _ offset: Int, _ body: () throws(InternationalLabel.Failure) -> Value
    ) throws(DomainPatternError) -> Value {
        do throws(InternationalLabel.Failure) {
            return try body()
        } catch {
            throw DomainPatternError(offset: offset, reason: error.rawValue)
        }
    }

    private static func check(_ scalar: Unicode.Scalar, at offset: Int) throws(DomainPatternError) {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9", "-", "_", ".", "*", "\u{80}"...: return
        case "/":
            throw DomainPatternError(
                offset: offset, reason: "\"/\" cannot stand in a name",
                hint: "paths cannot be matched, they are inside TLS: write the host alone")
        case ":":
            throw DomainPatternError(offset: offset, reason: "\":\" cannot stand in a name", hint: "ports go under ports")
        case "@":
            throw DomainPatternError(offset: offset, reason: "\"@\" cannot stand in a name", hint: "write the host alone")
        case ..."\u{20}", "\u{7f}":
            throw DomainPatternError(offset: offset, reason: "white space or a control character")
        default:
            throw DomainPatternError(offset: offset, reason: "\"\(scalar)\" cannot stand in a name")
        }
    }

    /// Addresses, prefixes and URLs, which have places of their own.
    private static func refuseForeign(_ scalars: [Unicode.Scalar]) throws(DomainPatternError) {
        if let scheme = scalars.firstIndex(of: ":"), scalars[scheme...].starts(with: "://".unicodeScalars) {
            throw DomainPatternError(offset: 0, reason: "a URL is no name", hint: "write the host alone, and its port under ports")
        }
        let address = scalars.prefix { $0 != "/" }
        guard AddressText.isAddress(address) else { return }
        guard address.count < scalars.count else {
            throw DomainPatternError(offset: 0, reason: "an address is no name", hint: "addresses go under nets")
        }
        guard AddressText.isPrefixLength(scalars[(address.count + 1)...]) else { return }
        throw DomainPatternError(offset: 0, reason: "a prefix of addresses is no name", hint: "addresses go under nets")
    }
}
