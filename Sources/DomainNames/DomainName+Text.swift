extension DomainName: CustomStringConvertible {
    /// Reads the presentation form of RFC 1035 §5.1: labels between dots, `\DDD` and `\X` escapes. A final dot is dropped.
    ///
    /// A label with letters outside ASCII becomes its A-label (`InternationalLabel`); the ideographic dots of UTS #46 §2.3 part labels too.
    /// Labels that begin with `xn--` are taken as they are: a name on the wire may hold any bytes.
    public init(parsing text: some StringProtocol) throws(DomainNameError) {
        let scalars = Array(text.unicodeScalars)
        let labels = try Self.labels(of: scalars)
        let count = labels.reduce(1) { $0 + $1.count + 1 }
        guard count <= Self.wireBytesMax else { throw DomainNameError(.tooLong, offset: scalars.count) }
        self.init(unchecked: labels.reversed().reduce(into: []) { $0 += [UInt8($1.count)] + $1.map(Self.folded) })
    }

    private static func labels(of scalars: [Unicode.Scalar]) throws(DomainNameError) -> [[UInt8]] {
        guard !scalars.isEmpty else { throw DomainNameError(.empty, offset: 0) }
        if scalars.count == 1, InternationalLabel.isDot(scalars[0]) { return [] }
        var labels: [[UInt8]] = []
        var label = PresentationLabel(start: 0)
        var position = 0
        var endsWithDot = false
        while position < scalars.count {
            let scalar = scalars[position]
            endsWithDot = false
            switch scalar {
            case _ where InternationalLabel.isDot(scalar):
                guard labels.count < labelsMax else { throw DomainNameError(.tooLong, offset: scalars.count) }
                labels.append(try label.bytes(endingAt: position))
                label = PresentationLabel(start: position + 1)
                endsWithDot = true
            case "\\":
                let (value, length) = try escape(scalars, position)
                try label.append(escaped: value, at: position + length - 1)
                position += length - 1
            case ..."\u{20}", "\u{7f}":
                throw DomainNameError(.controlCharacter, offset: position)
            default:
                try label.append(scalar, at: position)
            }
            position += 1
        }
        if !endsWithDot { labels.append(try label.bytes(endingAt: position)) }
        return labels
    }

    private static func escape(_ scalars: [Unicode.Scalar], _ position: Int) throws(DomainNameError) -> (value: UInt8, length: Int) {
        guard position + 1 < scalars.count else { throw DomainNameError(.badEscape, offset: position) }
        let next = scalars[position + 1]
        guard let digit = digit(next) else {
            guard next.isASCII else { throw DomainNameError(.badEscape, offset: position) }
            return (UInt8(next.value), 2)
        }
        guard position + 3 < scalars.count, let tens = Self.digit(scalars[position + 2]), let ones = Self.digit(scalars[position + 3]),
            let value = UInt8(exactly: digit * 100 + tens * 10 + ones)
        else {
            throw DomainNameError(.badEscape, offset: position)
        }
        return (value, 4)
    }

    private static func digit(_ scalar: Unicode.Scalar) -> Int? { ("0"..."9").contains(scalar) ? Int(scalar.value) - 48 : nil }

    /// The presentation form without a final dot; the root name is `.`. Bytes that could be mistaken are escaped.
    public var description: String { rootFirst.isEmpty ? "." : labels.reversed().map(Self.text(ofLabel:)).joined(separator: ".") }

    static func text(ofLabel label: ArraySlice<UInt8>) -> String {
        var text = ""
        for byte in label {
            switch byte {
            case UInt8(ascii: "."), UInt8(ascii: "\\"): text += "\\" + String(UnicodeScalar(byte))
            case 0x21...0x7e: text += String(UnicodeScalar(byte))
            default:
                let digits = String(byte)
                text += "\\" + String(repeating: "0", count: 3 - digits.count) + digits
            }
        }
        return text
    }
}
