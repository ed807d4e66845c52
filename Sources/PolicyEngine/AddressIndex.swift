import NetworkTypes

/// A frozen hash table from address to a small number, by open addressing at a load of at most one half. Keeps its memory itself.
@safe
@usableFromInline
final class AddressIndex: @unchecked Sendable {
    @frozen
    @usableFromInline
    struct Slot: BitwiseCopyable {
        @usableFromInline var key: IPAddress
        @usableFromInline var value: UInt32
    }

    @usableFromInline let slots: UnsafeMutablePointer<Slot>
    @usableFromInline let mask: Int

    @usableFromInline static var absent: UInt32 { .max }

    /// Of equal addresses the first counts.
    init(_ entries: [(IPAddress, UInt32)]) {
        var capacity = 16
        while capacity < entries.count * 2 { capacity *= 2 }
        unsafe slots = .allocate(capacity: capacity)
        unsafe slots.initialize(repeating: Slot(key: IPAddress(v4: 0), value: Self.absent), count: capacity)
        mask = capacity - 1
        for (address, value) in entries {
            var place = Self.hash(address) & mask
            while unsafe slots[place].value != Self.absent, unsafe slots[place].key != address { place = (place + 1) & mask }
            if unsafe slots[place].value == Self.absent { unsafe slots[place] = Slot(key: address, value: value) }
        }
    }

    deinit { unsafe slots.deallocate() }

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
        var place = Self.hash(address) & mask
        while unsafe slots[place].value != Self.absent {
            if unsafe slots[place].key == address { return Int(unsafe slots[place].value) }
            place = (place &+ 1) & mask
        }
        return nil
    }
}
