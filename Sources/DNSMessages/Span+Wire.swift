extension Span<UInt8> {
    /// Two bytes in network byte order. Traps out of bounds: callers have checked the length.
    func read16(at offset: Int) -> UInt16 { UInt16(self[offset]) << 8 | UInt16(self[offset + 1]) }

    /// Four bytes in network byte order. Traps out of bounds: callers have checked the length.
    func read32(at offset: Int) -> UInt32 { UInt32(read16(at: offset)) << 16 | UInt32(read16(at: offset + 2)) }

    /// Eight bytes in the machine's order, the letters among them in lower case. Traps out of bounds.
    func foldedWord(at offset: Int) -> UInt64 {
        precondition(offset >= 0 && offset <= count - 8, "a word out of bounds")
        // Sound: the bounds are checked and any eight bytes are a number.
        let word = unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self)
        let each: UInt64 = 0x0101_0101_0101_0101
        // Seven bits of each byte, so that no sum carries into the next: bit 7 says whether the byte is at least "A", and whether it is above "Z".
        let low = word & (0x7f * each)
        let isLetter = ((low + 0x3f * each) ^ (low + 0x25 * each)) & ~word & (0x80 * each)
        return word | isLetter >> 2
    }

    /// Whether `count` bytes from `offset` are the same as those of `other` there but for the case of letters. Traps unless eight bytes are before the
    /// end of each.
    func hasSameFolded(_ range: Range<Int>, as other: Span<UInt8>) -> Bool {
        var offset = range.lowerBound
        while range.upperBound - offset >= 8 {
            if foldedWord(at: offset) != other.foldedWord(at: offset) { return false }
            offset += 8
        }
        let rest = range.upperBound - offset
        if rest == 0 { return true }
        let shift = UInt64(64 - 8 * rest)
        return foldedWord(at: range.upperBound - 8) >> shift == other.foldedWord(at: range.upperBound - 8) >> shift
    }
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

    /// Copies all of `source` to `offset`. Traps out of bounds: callers have checked the length.
    mutating func write(_ source: Span<UInt8>, at offset: Int) {
        precondition(offset >= 0 && source.count <= count - offset, "bytes out of bounds")
        unsafe withUnsafeMutableBufferPointer { target in
            unsafe source.withUnsafeBufferPointer { bytes in
                guard let from = bytes.baseAddress, let to = target.baseAddress else { return }
                // Sound: both ranges were checked, and a span that may be written overlaps no other.
                unsafe to.advanced(by: offset).update(from: from, count: bytes.count)
            }
        }
    }
}

extension UInt8 {
    /// ASCII lower case (RFC 4343). Length bytes of labels are at most 63 and so never letters: whole wire names may be folded
    /// byte by byte.
    var lowercasedASCII: UInt8 { self &- 0x41 < 26 ? self | 0x20 : self }

    /// Whether this is an ASCII letter.
    var isASCIILetter: Bool { (self | 0x20) &- 0x61 < 26 }
}
