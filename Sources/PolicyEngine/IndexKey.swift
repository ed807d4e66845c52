import NetworkTypes

/// The keys under which rules and members are indexed. The upper half is what an index compares, the lower half where it begins to look.
///
/// Those of patterns are exact: the upper half is the number itself, with a bit that no other key has. Others are hashes, and an index may
/// take two for one: what is found under them is always checked.
@usableFromInline
enum IndexKey {
    /// Rules with this pattern among their names; entries of network sets with it.
    @inlinable
    static func pattern(_ number: PatternNumber) -> UInt64 {
        UInt64(number | exactBit) << 32 | UInt64(UInt32(truncatingIfNeeded: (UInt64(number) &* 0x9e37_79b9_7f4a_7c15) >> 32))
    }

    /// Of the upper half of exact keys; numbers of patterns stay below.
    @inlinable
    static var exactBit: UInt32 { 1 << 31 }

    /// Pattern numbers end here.
    static let patternMax: PatternNumber = 1 << 31 - 1

    /// Rules whose destination is this address set.
    @inlinable
    static func set(_ number: UInt32) -> UInt64 { hash(2 << 32 | UInt64(number)) }

    /// Any rule of a policy by which this pattern may be asked for.
    @inlinable
    static func query(_ number: PatternNumber) -> UInt64 { hash(8 << 32 | UInt64(number)) }

    /// Rules without any of these: whatever their destination.
    @inlinable
    static var anyDestination: UInt64 { hash(4 << 32) }

    /// Rules with names, of one family: of those that admit the same protocols and ports the first.
    @inlinable
    static func names(_ family: IPFamily) -> UInt64 { hash(6 << 32 | UInt64(family.rawValue)) }

    /// Rules with this prefix among their destination nets; members with this prefix. The address has no host bits.
    @inlinable
    static func net(_ address: IPAddress, _ length: UInt8) -> UInt64 {
        let lower = mix(address.lower ^ (7 << 60 | UInt64(address.family.rawValue) << 48 | UInt64(length) << 40))
        return address.family == .v4 ? lower & ~hashMask : hash(address.upper &* 0x9e37_79b9_7f4a_7c15 ^ lower)
    }

    /// The part of a long list for one protocol and port, one protocol, or neither.
    @inlinable
    static func part(_ key: UInt64, _ portKey: UInt32) -> UInt64 { hash(key &+ UInt64(portKey) &* 0x9e37_79b9_7f4a_7c15) }

    @inlinable
    static func portKey(_ transport: UInt8, _ port: UInt16) -> UInt32 { 1 << 31 | UInt32(transport) << 16 | UInt32(port) }

    @inlinable
    static func portKey(_ transport: UInt8) -> UInt32 { 1 << 30 | UInt32(transport) << 16 }

    @inlinable
    static var anyPortKey: UInt32 { 0 }

    /// The bit that exact keys alone have.
    @inlinable
    static var hashMask: UInt64 { 1 << 63 }

    @inlinable
    static func hash(_ value: UInt64) -> UInt64 { mix(value) & ~hashMask }

    @inlinable
    static func mix(_ value: UInt64) -> UInt64 {
        var value = value
        value ^= value >> 32
        value &*= 0xd6e8_feb8_6659_fd93
        value ^= value >> 32
        value &*= 0xd6e8_feb8_6659_fd93
        value ^= value >> 32
        return value
    }
}
