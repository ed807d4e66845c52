extension Span<UInt8> {
    /// Two bytes in network byte order. Traps out of bounds: callers have checked the length.
    func read16(at offset: Int) -> UInt16 { UInt16(self[offset]) << 8 | UInt16(self[offset + 1]) }

    /// Four bytes in network byte order. Traps out of bounds: callers have checked the length.
    func read32(at offset: Int) -> UInt32 { UInt32(read16(at: offset)) << 16 | UInt32(read16(at: offset + 2)) }
}

extension MutableSpan<UInt8> {
    /// Writes two bytes in network byte order. Traps out of bounds: callers have checked the length.
    mutating func write16(_ value: UInt16, at offset: Int) {
        self[offset] = UInt8(truncatingIfNeeded: value >> 8)
        self[offset + 1] = UInt8(truncatingIfNeeded: value)
    }

    /// Writes four bytes in network byte order. Traps out of bounds: callers have checked the length.
    mutating func write32(_ value: UInt32, at offset: Int) {
        write16(UInt16(truncatingIfNeeded: value >> 16), at: offset)
        write16(UInt16(truncatingIfNeeded: value), at: offset + 2)
    }
}

extension UInt8 {
    /// ASCII lower case (RFC 4343). Length bytes of labels are at most 63 and so never letters: whole wire names may be folded
    /// byte by byte.
    var lowercasedASCII: UInt8 { self &- 0x41 < 26 ? self | 0x20 : self }

    /// Whether this is an ASCII letter.
    var isASCIILetter: Bool { (self | 0x20) &- 0x61 < 26 }
}
