/// The version of the Internet Protocol; the raw value is the version field of the header (RFC 791 §3.1, RFC 8200 §3).
public enum IPFamily: UInt8, Sendable, Hashable, BitwiseCopyable {
    case v4 = 4
    case v6 = 6

    /// Bits in an address of this family.
    @inlinable
    public var addressBits: Int { self == .v4 ? 32 : 128 }
}
