/// A hash of 64 bits that is equal over processes and versions, unlike `Hasher`. Not for hostile input: policy is the administrator's.
///
/// Each word is folded in by a full multiplication whose halves are joined, so that every bit of the input reaches every bit.
@frozen
@usableFromInline
struct StableHash {
    @usableFromInline private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

    @inlinable
    init() {}

    @inlinable
    mutating func combine(_ number: UInt64) {
        let product = (value ^ number).multipliedFullWidth(by: 0x9e37_79b9_7f4a_7c15)
        value = product.high ^ product.low &+ 0xd6e8_feb8_6659_fd93
    }

    /// The length goes in too, so that "ab" + "c" differs from "a" + "bc".
    mutating func combine(_ text: String) {
        var text = text
        let count = text.withUTF8 { bytes in
            var word: UInt64 = 0
            for index in 0..<bytes.count {
                word = word << 8 | UInt64(unsafe bytes[index])
                if index & 7 == 7 {
                    combine(word)
                    word = 0
                }
            }
            if bytes.count & 7 != 0 { combine(word) }
            return bytes.count
        }
        combine(UInt64(count))
    }

    static func hash(_ text: String) -> UInt64 {
        var hash = StableHash()
        hash.combine(text)
        return hash.value
    }

    @inlinable
    static func hash(_ first: UInt64, _ second: UInt64) -> UInt64 {
        var hash = StableHash()
        hash.combine(first)
        hash.combine(second)
        return hash.value
    }
}
