import DomainNames

/// What a stored answer answers: name in lower case, type, class (always IN), DO and CD.
///
/// Held in place: for questions in flight. A stored answer is found by the query's own bytes (``QuestionHasher``, `QueryHead.asksFor`).
public struct CacheKey: Hashable, Sendable, BitwiseCopyable {
    let name: WireName
    public let qtype: RecordType
    public let isDNSSECOK: Bool
    public let isCheckingDisabled: Bool

    /// The key as bytes: name, QTYPE, QCLASS, and one byte with DO (2) and CD (1). Allocates.
    public var bytes: [UInt8] {
        name.bytes + [
            UInt8(truncatingIfNeeded: qtype.rawValue >> 8), UInt8(truncatingIfNeeded: qtype.rawValue), 0, 1,
            (isDNSSECOK ? 2 : 0) | (isCheckingDisabled ? 1 : 0),
        ]
    }

    /// Header of zeros and the question: what a stored answer of our own making begins with.
    public var question: [UInt8] {
        Array(repeating: 0, count: 12) + name.bytes + [
            UInt8(truncatingIfNeeded: qtype.rawValue >> 8), UInt8(truncatingIfNeeded: qtype.rawValue), 0, 1,
        ]
    }

    /// The name asked for, as policy knows it. Allocates.
    public var qname: DomainName { name.domainName }

    /// Whether two messages that were walked begin with the same question, but for the case of letters.
    public static func isSameQuestion(_ left: Span<UInt8>, _ right: Span<UInt8>) -> Bool {
        var offset = 12
        while left[offset] != 0 { offset += 1 + Int(left[offset]) }
        let end = offset + 5
        return right.count >= end && left.hasSameFolded(12..<offset + 1, as: right) && left.read16(at: end - 4) == right.read16(at: end - 4)
    }

    public static func == (left: CacheKey, right: CacheKey) -> Bool {
        left.qtype == right.qtype && left.isDNSSECOK == right.isDNSSECOK && left.isCheckingDisabled == right.isCheckingDisabled
            && left.name.hasSameBytes(as: right.name)
    }

    public func hash(into hasher: inout Hasher) {
        let bytes = name.storage.span.extracting(first: name.count)
        unsafe bytes.withUnsafeBufferPointer { unsafe hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        hasher.combine(qtype.rawValue)
        hasher.combine((isDNSSECOK ? 2 : 0) | (isCheckingDisabled ? 1 : 0) as UInt8)
    }
}
