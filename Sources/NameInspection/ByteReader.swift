/// A place in bytes that are read from left to right, up to an end. The bytes are given with each call.
struct ByteReader {
    private(set) var position: Int
    let end: Int

    init(_ range: Range<Int>) {
        position = range.lowerBound
        end = range.upperBound
    }

    var remaining: Int { end - position }
    var isAtEnd: Bool { position == end }

    mutating func uint8(_ bytes: Span<UInt8>) -> UInt8? {
        guard remaining >= 1 else { return nil }
        defer { position += 1 }
        return bytes[position]
    }

    /// A big-endian number of `count` bytes, at most 8.
    mutating func number(_ count: Int, _ bytes: Span<UInt8>) -> UInt64? {
        guard remaining >= count else { return nil }
        var value: UInt64 = 0
        for place in position..<(position + count) { value = value << 8 | UInt64(bytes[place]) }
        position += count
        return value
    }

    mutating func uint16(_ bytes: Span<UInt8>) -> Int? { number(2, bytes).map { Int($0) } }

    /// The next `count` bytes, which are passed over.
    mutating func take(_ count: Int) -> Range<Int>? {
        guard count >= 0, count <= remaining else { return nil }
        defer { position += count }
        return position..<(position + count)
    }

    /// A variable-length integer (RFC 9000 §16).
    mutating func variableInteger(_ bytes: Span<UInt8>) -> UInt64? {
        guard remaining >= 1 else { return nil }
        let count = 1 << Int(bytes[position] >> 6)
        guard let value = number(count, bytes) else { return nil }
        return value & ((1 << (8 * UInt64(count) - 2)) - 1)
    }
}
