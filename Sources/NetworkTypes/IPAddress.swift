/// An IPv4 or IPv6 address, in host byte order.
///
/// An IPv4 address lies in the low 32 bits of `lower`; `upper` is then zero. An IPv4-mapped IPv6 address
/// (`::ffff:192.0.2.1`) stays IPv6: on the wire it is another destination than 192.0.2.1.
public struct IPAddress: Hashable, Sendable, BitwiseCopyable {
    public let upper: UInt64
    public let lower: UInt64
    public let family: IPFamily

    @inlinable
    public init(v4 value: UInt32) {
        upper = 0
        lower = UInt64(value)
        family = .v4
    }

    @inlinable
    public init(v6Upper upper: UInt64, lower: UInt64) {
        self.upper = upper
        self.lower = lower
        family = .v6
    }

    /// Reads an address in network byte order: 4 bytes are IPv4, 16 are IPv6, any other count is nil.
    @inlinable
    public init?(networkBytes bytes: Span<UInt8>) {
        switch bytes.count {
        case 4:
            self.init(v4: UInt32(truncatingIfNeeded: Self.bigEndian(bytes, from: 0, count: 4)))
        case 16:
            self.init(v6Upper: Self.bigEndian(bytes, from: 0, count: 8), lower: Self.bigEndian(bytes, from: 8, count: 8))
        default:
            return nil
        }
    }

    @inlinable
    static func bigEndian(_ bytes: Span<UInt8>, from start: Int, count: Int) -> UInt64 {
        var value: UInt64 = 0
        for index in start..<(start + count) { value = value << 8 | UInt64(bytes[index]) }
        return value
    }

    /// The IPv4 value. Traps for an IPv6 address.
    @inlinable
    public var v4: UInt32 {
        precondition(family == .v4, "v4 of an IPv6 address")
        return UInt32(truncatingIfNeeded: lower)
    }

    /// 4 or 16 bytes in network byte order.
    public var networkBytes: [UInt8] {
        let value = (0..<8).map { UInt8(truncatingIfNeeded: lower >> (56 - 8 * $0)) }
        if family == .v4 { return Array(value[4...]) }
        return (0..<8).map { UInt8(truncatingIfNeeded: upper >> (56 - 8 * $0)) } + value
    }

    /// The IPv4 address inside an IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2), else nil.
    @inlinable
    public var mappedV4: IPAddress? {
        guard family == .v6, upper == 0, lower >> 32 == 0xffff else { return nil }
        return IPAddress(v4: UInt32(truncatingIfNeeded: lower))
    }
}

extension IPAddress: Comparable {
    public static func < (left: IPAddress, right: IPAddress) -> Bool {
        (left.family.rawValue, left.upper, left.lower) < (right.family.rawValue, right.upper, right.lower)
    }
}
