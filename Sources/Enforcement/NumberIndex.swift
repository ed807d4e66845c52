/// Finds numbers (of records, of lists) by the hash of a key that stands where the number leads.
///
///     slot (8 bytes): [hash 4 | number + 1], 0 where nothing is
///
/// Open addressing with linear probing, at most half full; what is removed leaves no trace, as those behind it move up. A dictionary that holds the
/// key itself has four to five times the bytes, and an answer with two dozen addresses waits for memory and for little else. The hash is to be
/// keyed where a client chooses what is hashed.
package struct NumberIndex {
    private var slots: [UInt64]
    private var mask: Int
    package private(set) var count = 0

    package init() {
        slots = [UInt64](repeating: 0, count: 1_024)
        mask = slots.count - 1
    }

    /// O(1) expected.
    @inline(__always)
    package func find(_ hash: UInt32, where isMatch: (Int32) -> Bool) -> Int32? {
        var position = Int(hash) & mask
        while slots[position] != 0 {
            let slot = slots[position]
            if UInt32(truncatingIfNeeded: slot >> 32) == hash {
                let number = Self.number(slot)
                if isMatch(number) { return number }
            }
            position = (position + 1) & mask
        }
        return nil
    }

    /// Where a search begins. To have it fetched; it may be another's.
    func firstSlot(_ hash: UInt32) -> UInt64 { slots[Int(hash) & mask] }

    /// The key must not be there. O(1) amortized.
    package mutating func insert(_ number: Int32, hash: UInt32) {
        if 2 * (count + 1) > slots.count { grow() }
        count += 1
        place(UInt64(hash) << 32 | UInt64(UInt32(number) + 1))
    }

    /// It must be there. O(1) expected.
    package mutating func remove(_ number: Int32, hash: UInt32) {
        var hole = Int(hash) & mask
        while Self.number(slots[hole]) != number || slots[hole] >> 32 != UInt64(hash) {
            precondition(slots[hole] != 0, "what is removed is there")
            hole = (hole + 1) & mask
        }
        count -= 1
        var position = (hole + 1) & mask
        while slots[position] != 0 {
            let wanted = Int(slots[position] >> 32) & mask
            // It may stand in the hole unless its search begins behind it.
            if (position - wanted) & mask >= (position - hole) & mask {
                slots[hole] = slots[position]
                hole = position
            }
            position = (position + 1) & mask
        }
        slots[hole] = 0
    }

    private mutating func grow() {
        let old = slots
        slots = [UInt64](repeating: 0, count: 2 * old.count)
        mask = slots.count - 1
        for slot in old where slot != 0 { place(slot) }
    }

    private mutating func place(_ slot: UInt64) {
        var position = Int(slot >> 32) & mask
        while slots[position] != 0 { position = (position + 1) & mask }
        slots[position] = slot
    }

    private static func number(_ slot: UInt64) -> Int32 { Int32(truncatingIfNeeded: slot & 0xffff_ffff) - 1 }
}
