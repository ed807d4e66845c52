/// Seeded mutations (SplitMix64).
struct Mutator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    private mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }

    /// A number from 0 to one less than `bound`; 0 for a bound of 0.
    mutating func below(_ bound: Int) -> Int { bound < 1 ? 0 : Int(truncatingIfNeeded: next() % UInt64(bound)) }

    /// Bytes that parsers take for something: ends, pointers, lengths, separators.
    private static let telling: [UInt8] = [
        0, 1, 4, 12, 16, 20, 41, 63, 64, 0x45, 0x60, 0x7f, 0x80, 0xc0, 0xff, 0x0a, 0x20, 0x2d, 0x3a, 0x22, 0x7b, 0x2a,
    ]

    /// One to six changes of `input`, some with parts of `other`.
    mutating func mutate(_ input: [UInt8], with other: [UInt8], sizeMax: Int) -> [UInt8] {
        var bytes = input
        for _ in 0...below(below(6) + 1) {
            let index = below(bytes.count)
            switch below(12) {
            case 0 where !bytes.isEmpty: bytes[index] ^= 1 << UInt8(below(8))
            case 1 where !bytes.isEmpty: bytes[index] = UInt8(below(256))
            case 2 where !bytes.isEmpty, 3 where !bytes.isEmpty: bytes[index] = Self.telling[below(Self.telling.count)]
            case 4 where !bytes.isEmpty: bytes[index] &+= UInt8(below(2) == 0 ? 1 : 255)
            case 5: bytes.insert(UInt8(below(256)), at: index)
            case 6 where !bytes.isEmpty: bytes.remove(at: index)
            case 7: bytes.removeSubrange(index..<min(bytes.count, index + below(24)))
            case 8: bytes.insert(contentsOf: bytes[index..<min(bytes.count, index + below(48))], at: index)
            case 9:
                let start = below(other.count)
                bytes.insert(contentsOf: other[start..<min(other.count, start + below(64))], at: index)
            case 10: bytes = Array(bytes[..<index]) + Array(other[min(index, other.count)...])
            default: if below(8) == 0 { bytes.removeSubrange(index...) }
            }
        }
        if bytes.count > sizeMax { bytes.removeSubrange(sizeMax...) }
        return bytes
    }
}
