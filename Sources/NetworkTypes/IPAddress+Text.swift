extension IPAddress: CustomStringConvertible {
    /// Reads the text form of RFC 4291 §2.2 (with an optional dotted tail) or dotted decimal without leading zeros.
    /// Zone indices (`%eth0`), prefixes and white space are not part of an address: nil.
    public init?(parsing text: some StringProtocol) {
        let bytes = Array(text.utf8)
        if bytes.contains(UInt8(ascii: ":")) {
            guard let groups = Self.parseV6(bytes) else { return nil }
            var upper: UInt64 = 0
            var lower: UInt64 = 0
            for group in groups[..<4] { upper = upper << 16 | UInt64(group) }
            for group in groups[4...] { lower = lower << 16 | UInt64(group) }
            self.init(v6Upper: upper, lower: lower)
        } else {
            guard let value = Self.parseV4(bytes[...]) else { return nil }
            self.init(v4: value)
        }
    }

    private static func parseV4(_ bytes: ArraySlice<UInt8>) -> UInt32? {
        let parts = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            guard (1...3).contains(part.count), part.count == 1 || part.first != UInt8(ascii: "0") else { return nil }
            var octet: UInt32 = 0
            for byte in part {
                guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
                octet = octet * 10 + UInt32(byte - UInt8(ascii: "0"))
            }
            guard octet <= 255 else { return nil }
            value = value << 8 | octet
        }
        return value
    }

    private static func parseV6(_ bytes: [UInt8]) -> [UInt16]? {
        let colon = UInt8(ascii: ":")
        var gap: Int?
        for index in bytes.indices.dropLast() where bytes[index] == colon && bytes[index + 1] == colon {
            guard gap == nil else { return nil }
            gap = index
        }
        guard let gap else {
            guard let groups = parseGroups(bytes[...], allowsDottedTail: true), groups.count == 8 else { return nil }
            return groups
        }
        guard let head = parseGroups(bytes[..<gap], allowsDottedTail: false),
            let tail = parseGroups(bytes[(gap + 2)...], allowsDottedTail: true),
            head.count + tail.count <= 7
        else { return nil }
        return head + Array(repeating: 0, count: 8 - head.count - tail.count) + tail
    }

    private static func parseGroups(_ bytes: ArraySlice<UInt8>, allowsDottedTail: Bool) -> [UInt16]? {
        if bytes.isEmpty { return [] }
        var groups: [UInt16] = []
        let parts = bytes.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            if allowsDottedTail, index == parts.count - 1, part.contains(UInt8(ascii: ".")) {
                guard let value = parseV4(part) else { return nil }
                groups.append(UInt16(value >> 16))
                groups.append(UInt16(value & 0xffff))
                continue
            }
            guard (1...4).contains(part.count) else { return nil }
            var group: UInt16 = 0
            for byte in part {
                guard let digit = hexDigit(byte) else { return nil }
                group = group << 4 | digit
            }
            groups.append(group)
        }
        return groups
    }

    private static func hexDigit(_ byte: UInt8) -> UInt16? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt16(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt16(byte - UInt8(ascii: "a") + 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt16(byte - UInt8(ascii: "A") + 10)
        default: nil
        }
    }

    /// Dotted decimal, or the recommended form of RFC 5952: lower case, the longest run of zero groups shortened.
    public var description: String {
        if family == .v4 {
            return (0..<4).map { String(lower >> (24 - 8 * $0) & 0xff) }.joined(separator: ".")
        }
        if let inner = mappedV4 { return "::ffff:\(inner)" }
        let groups = (0..<8).map { ($0 < 4 ? upper : lower) >> (48 - 16 * ($0 % 4)) & 0xffff }
        var best: Range<Int>?
        var start = 0
        while start < 8 {
            var end = start
            while end < 8, groups[end] == 0 { end += 1 }
            if end - start >= 2, end - start > (best?.count ?? 0) { best = start..<end }
            start = max(end, start + 1)
        }
        func hex(_ part: ArraySlice<UInt64>) -> String { part.map { String($0, radix: 16) }.joined(separator: ":") }
        guard let best else { return hex(groups[...]) }
        return hex(groups[..<best.lowerBound]) + "::" + hex(groups[best.upperBound...])
    }
}
