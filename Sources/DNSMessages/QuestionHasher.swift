/// Hashes what two queries must share to be given the same stored answer (``CacheKey``), as it stands in a message: the name without regard to
/// case, QTYPE, DO and CD.
///
/// Two words of the name at a time are mixed by a multiplication to 128 bits whose halves are folded together. The numbers mixed in are drawn at random
/// for each hasher, so that whoever chooses names cannot choose their places.
public struct QuestionHasher: Sendable, BitwiseCopyable {
    private let seed: UInt64
    private let left: UInt64
    private let right: UInt64

    public init() {
        var random = SystemRandomNumberGenerator()
        seed = random.next()
        left = random.next()
        right = random.next()
    }

    /// - Parameter message: the message that `head` was scanned in.
    public func hash(_ message: Span<UInt8>, _ head: QueryHead) -> UInt64 {
        var hash = mix(
            seed ^ UInt64(head.qtype.rawValue) << 16 ^ UInt64(head.questionEnd) << 32 ^ (head.isDNSSECOK ? 2 : 0)
                ^ (head.isCheckingDisabled ? 1 : 0), right)
        let name = head.nameRange
        var offset = name.lowerBound
        while name.upperBound - offset >= 16 {
            hash = mix(message.foldedWord(at: offset) ^ left, message.foldedWord(at: offset + 8) ^ hash)
            offset += 16
        }
        if name.upperBound - offset >= 8 {
            hash = mix(message.foldedWord(at: offset) ^ left, right ^ hash)
            offset += 8
        }
        // The last word may overlap what was hashed already: the header's length is before every name.
        let last = message.foldedWord(at: name.upperBound - 8)
        let rest = name.upperBound - offset
        return mix((rest == 0 ? 0 : last >> UInt64(64 - 8 * rest)) ^ right, hash ^ left)
    }

    private func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return product.high ^ product.low
    }
}
