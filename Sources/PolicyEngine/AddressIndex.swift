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

    /// Where the slots lie, and how many there are less one.
    @safe
    @frozen
    @usableFromInline
    struct View: BitwiseCopyable {
        @usableFromInline let slots: UnsafeMutablePointer<Slot>
        @usableFromInline let mask: Int

        init(slots: UnsafeMutablePointer<Slot>, mask: Int) {
            unsafe self.slots = slots
            self.mask = mask
        }

        @inlinable
        func find(_ address: IPAddress) -> Int? {
            var place = AddressIndex.hash(address) & mask
            // Sound: places are masked, and some slot is free.
            while unsafe slots[place].value != AddressIndex.absent {
                if unsafe slots[place].key == address { return Int(unsafe slots[place].value) }
                place = (place &+ 1) & mask
            }
            return nil
        }
    }

    let view: View

    @inlinable static var absent: UInt32 { .max }

    /// Of equal addresses the first counts.
    init(_ entries: [(IPAddress, UInt32)]) {
        var capacity = 16
        while capacity < entries.count * 2 { capacity *= 2 }
        let slots = UnsafeMutablePointer<Slot>.allocate(capacity: capacity)
        unsafe slots.initialize(repeating: Slot(key: IPAddress(v4: 0), value: Self.absent), count: capacity)
        let mask = capacity - 1
        for (address, value) in entries {
            var place = Self.hash(address) & mask
            while unsafe slots[place].value != Self.absent, unsafe slots[place].key != address { place = (place + 1) & mask }
            if unsafe slots[place].value == Self.absent { unsafe slots[place] = Slot(key: address, value: value) }
        }
        view = unsafe View(slots: slots, mask: mask)
    }

    deinit { unsafe view.slots.deallocate() }

    /// The addresses are those of this node's endpoints, given by its administrator: an unkeyed mix is enough.
    @inlinable
    static func hash(_ address: IPAddress) -> Int {
        var value = (address.upper ^ (address.lower &* 0x9e37_79b9_7f4a_7c15)) &+ UInt64(address.family.rawValue)
        value ^= value >> 32
        value &*= 0xd6e8_feb8_6659_fd93
        value ^= value >> 32
        return Int(truncatingIfNeeded: value)
    }
}
