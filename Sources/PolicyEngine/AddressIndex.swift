import NetworkTypes

/// A frozen hash table from address to a small number, by open addressing at a load of at most one half.
@frozen
@usableFromInline
struct AddressIndex: Sendable {
    @usableFromInline let keys: [IPAddress]
    @usableFromInline let values: [UInt32]
    @usableFromInline let mask: Int

    @usableFromInline static var absent: UInt32 { .max }

    /// Of equal addresses the first counts.
    init(_ entries: [(IPAddress, UInt32)]) {
        var capacity = 16
        while capacity < entries.count * 2 { capacity *= 2 }
        var keys = [IPAddress](repeating: IPAddress(v4: 0), count: capacity)
        var values = [UInt32](repeating: Self.absent, count: capacity)
        for (address, value) in entries {
            var slot = Self.hash(address) & (capacity - 1)
            while values[slot] != Self.absent, keys[slot] != address { slot = (slot + 1) & (capacity - 1) }
            if values[slot] == Self.absent {
                keys[slot] = address
                values[slot] = value
            }
        }
        self.keys = keys
        self.values = values
        mask = capacity - 1
    }

    /// The addresses are those of this node's endpoints, given by its administrator: an unkeyed mix is enough.
    @inlinable
    static func hash(_ address: IPAddress) -> Int {
        var value = (address.upper ^ (address.lower &* 0x9e37_79b9_7f4a_7c15)) &+ UInt64(address.family.rawValue)
        value ^= value >> 32
        value &*= 0xd6e8_feb8_6659_fd93
        value ^= value >> 32
        return Int(truncatingIfNeeded: value)
    }

    @inlinable
    func find(_ address: IPAddress) -> Int? {
        var slot = Self.hash(address) & mask
        while values[slot] != Self.absent {
            if keys[slot] == address { return Int(values[slot]) }
            slot = (slot + 1) & mask
        }
        return nil
    }
}
