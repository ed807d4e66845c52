/// What a stored answer answers: name in lower case, type, class (always IN), DO and CD.
///
/// Held in place, hashed by the standard library's seeded hasher: a lookup allocates nothing and cannot be flooded with collisions.
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
