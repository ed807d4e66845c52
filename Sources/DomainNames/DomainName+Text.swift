extension DomainName: CustomStringConvertible {
    /// Reads the presentation form of RFC 1035 §5.1: labels between dots, `\DDD` and `\X` escapes. A final dot is dropped.
    /// Letters outside ASCII are refused: write the A-label (`xn--...`, RFC 5891).
    public init(parsing text: some StringProtocol) throws(DomainNameError) {
        let labels = try Self.labels(of: Array(text.utf8))
        let count = labels.reduce(1) { $0 + $1.count + 1 }
        guard count <= Self.wireBytesMax else { throw DomainNameError(.tooLong, offset: text.utf8.count) }
        try self.init(rootFirst: labels.reversed().reduce(into: []) { $0 += [UInt8($1.count)] + $1.map(Self.folded) })
    }

    private static func labels(of bytes: [UInt8]) throws(DomainNameError) -> [[UInt8]] {
        guard !bytes.isEmpty else { throw DomainNameError(.empty, offset: 0) }
        if bytes == [UInt8(ascii: ".")] { return [] }
        var labels: [[UInt8]] = []
        var label: [UInt8] = []
        var position = 0
        var endsWithDot = false
        while position < bytes.count {
            let byte = bytes[position]
            endsWithDot = false
            switch byte {
            case UInt8(ascii: "."):
                guard !label.isEmpty else { throw DomainNameError(.emptyLabel, offset: position) }
                labels.append(label)
                label = []
                endsWithDot = true
            case UInt8(ascii: "\\"):
                let (value, length) = try escape(bytes, position)
                label.append(value)
                position += length - 1
            case 0x80...:
                throw DomainNameError(.notASCII, offset: position)
            case ...0x20, 0x7f:
                throw DomainNameError(.controlCharacter, offset: position)
            default:
                label.append(byte)
            }
            guard label.count <= labelBytesMax else { throw DomainNameError(.labelTooLong, offset: position) }
            position += 1
        }
        if !endsWithDot { labels.append(label) }
        return labels
    }

    private static func escape(_ bytes: [UInt8], _ position: Int) throws(DomainNameError) -> (value: UInt8, length: Int) {
        guard position + 1 < bytes.count else { throw DomainNameError(.badEscape, offset: position) }
        let next = bytes[position + 1]
        guard (48...57).contains(next) else { return (next, 2) }
        guard position + 3 < bytes.count, (48...57).contains(bytes[position + 2]), (48...57).contains(bytes[position + 3]) else {
            throw DomainNameError(.badEscape, offset: position)
        }
        let value = Int(next - 48) * 100 + Int(bytes[position + 2] - 48) * 10 + Int(bytes[position + 3] - 48)
        guard value <= 255 else { throw DomainNameError(.badEscape, offset: position) }
        return (UInt8(value), 4)
    }

    /// The presentation form without a final dot; the root name is `.`. Bytes that could be mistaken are escaped.
    public var description: String {
        if rootFirst.isEmpty { return "." }
        return labels.reversed().map { label in
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
        }.joined(separator: ".")
    }
}
