import NetworkTypes

/// The keys under which rules and members are indexed, as hashes. An index may take two keys for one: what it finds is always checked.
@usableFromInline
enum IndexKey {
    /// Rules with this pattern among their names; entries of network sets with it.
    @inlinable
    static func pattern(_ number: PatternNumber) -> UInt64 { mix(1 << 32 | UInt64(number)) }

    /// Rules whose destination is this address set.
    @inlinable
    static func set(_ number: UInt32) -> UInt64 { mix(2 << 32 | UInt64(number)) }

    /// Allow rules of policies whose destination is this address set: for exclusive network sets.
    @inlinable
    static func allowedSet(_ number: UInt32) -> UInt64 { mix(3 << 32 | UInt64(number)) }

    /// Rules without any of these: whatever their destination.
    @inlinable
    static var anyDestination: UInt64 { mix(4 << 32) }

    /// All rules with an address set as destination.
    @inlinable
    static var everySet: UInt64 { mix(5 << 32) }

    /// All rules with names: of one family.
    @inlinable
    static func names(_ family: IPFamily) -> UInt64 { mix(6 << 32 | UInt64(family.rawValue)) }

    /// Rules with this prefix among their destination nets; members with this prefix. The address has no host bits.
    @inlinable
    static func net(_ address: IPAddress, _ length: UInt8) -> UInt64 {
        mix((address.upper &* 0x9e37_79b9_7f4a_7c15) ^ mix(address.lower ^ (7 << 60 | UInt64(address.family.rawValue) << 48 | UInt64(length) << 40)))
    }

    /// The part of a long list for one protocol and port, one protocol, or neither.
    @inlinable
    static func part(_ key: UInt64, _ portKey: UInt32) -> UInt64 { mix(key &+ UInt64(portKey) &* 0x9e37_79b9_7f4a_7c15) }

    @inlinable
    static func portKey(_ transport: UInt8, _ port: UInt16) -> UInt32 { 1 << 31 | UInt32(transport) << 16 | UInt32(port) }

    @inlinable
    static func portKey(_ transport: UInt8) -> UInt32 { 1 << 30 | UInt32(transport) << 16 }

    @inlinable
    static var anyPortKey: UInt32 { 0 }

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
