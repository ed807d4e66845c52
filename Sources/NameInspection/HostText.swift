import DomainNames

/// A host name as protocols write it: ASCII labels between dots (RFC 1123 §2.1; `_` is let through, as it stands in names that are served).
enum HostText {
    /// The longest text of a name: 255 bytes on the wire.
    private static let bytesMax = 253

    /// Reads the bytes of `range`. With `dropsFinalDot` one dot at the end does not count.
    static func read(_ bytes: Span<UInt8>, _ range: Range<Int>, dropsFinalDot: Bool = false) throws(NameFault) -> DomainName {
        guard !range.isEmpty else { throw .emptyName }
        for place in range where bytes[place] == 0 { throw .zeroByte }
        for place in range where bytes[place] == UInt8(ascii: ":") || bytes[place] == UInt8(ascii: "[") { throw .addressLiteral }
        var end = range.upperBound
        if bytes[end - 1] == UInt8(ascii: ".") {
            guard dropsFinalDot, range.count > 1 else { throw .trailingDot }
            end -= 1
        }
        guard end - range.lowerBound <= bytesMax else { throw .nameTooLong }
        var labels: [Range<Int>] = []
        var start = range.lowerBound
        for place in range.lowerBound...end {
            if place < end, bytes[place] != UInt8(ascii: ".") {
                guard isNameByte(bytes[place]) else { throw .invalidName }
                continue
            }
            guard place > start else { throw .invalidName }
            guard place - start <= DomainName.labelBytesMax else { throw .nameTooLong }
            labels.append(start..<place)
            start = place + 1
        }
        if let last = labels.last, isNumber(bytes, last) { throw .addressLiteral }
        var rootFirst: [UInt8] = []
        rootFirst.reserveCapacity(end - range.lowerBound + 1)
        for label in labels.reversed() {
            rootFirst.append(UInt8(label.count))
            for place in label { rootFirst.append(lowercase(bytes[place])) }
        }
        do throws(DomainNameError) {
            return try DomainName(rootFirst: rootFirst)
        } catch {
            throw .invalidName
        }
    }

    static func lowercase(_ byte: UInt8) -> UInt8 { isUppercase(byte) ? byte | 0x20 : byte }

    static func isUppercase(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "A") < 26 }

    static func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        lowercase(byte) &- UInt8(ascii: "a") < 26 || isDigit(byte) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
    }

    /// Whether a last label makes the whole an IPv4 address in one of its forms: decimal digits, or `0x` and hexadecimal ones.
    private static func isNumber(_ bytes: Span<UInt8>, _ label: Range<Int>) -> Bool {
        var digits = label
        var isHexadecimal = false
        if label.count >= 2, bytes[label.lowerBound] == UInt8(ascii: "0"), lowercase(bytes[label.lowerBound + 1]) == UInt8(ascii: "x") {
            digits = (label.lowerBound + 2)..<label.upperBound
            isHexadecimal = true
        }
        for place in digits {
            let byte = lowercase(bytes[place])
            guard isDigit(byte) || (isHexadecimal && byte &- UInt8(ascii: "a") < 6) else { return false }
        }
        return true
    }
}
