/// A frozen hash table from keys to ascending lists of positions, in memory that somebody else keeps.
///
///     slots [tag | value][tag | value] ...      open addressing at a load of at most one half; tag 0 is free
///                   |
///                   +-- below 2^31: the only position.  Above: where in `lists` [count][position][position]... stand
///
/// It keeps 32 bits of a key, so that it may give the positions of another key beside or instead of those asked for: whoever uses one
/// looks whether it fits. What stands under a key is always found.
@safe
@frozen
@usableFromInline
struct PositionIndex: BitwiseCopyable {
    @frozen
    @usableFromInline
    struct Slot: BitwiseCopyable {
        @usableFromInline var value: UInt32
        @usableFromInline var tag: UInt32

        @inlinable
        init(value: UInt32, tag: UInt32) {
            self.value = value
            self.tag = tag
        }
    }

    /// Ascending positions.
    @safe
    @frozen
    @usableFromInline
    struct Run: BitwiseCopyable {
        @usableFromInline let base: UnsafeRawPointer
        @usableFromInline let count: Int

        @inlinable
        init(_ base: UnsafeRawPointer, count: Int) {
            unsafe self.base = base
            self.count = count
        }

        @inlinable
        subscript(_ place: Int) -> Int {
            assert(place < count)
            return Int(unsafe base.loadUnaligned(fromByteOffset: place &* 4, as: UInt32.self))
        }

        /// The first place with a position of at least `position`.
        @inlinable
        func firstPlace(from position: Int) -> Int {
            var low = 0
            var high = count
            while low < high {
                let middle = (low &+ high) >> 1
                if self[middle] < position { low = middle &+ 1 } else { high = middle }
            }
            return low
        }
    }

    @usableFromInline static var listBit: UInt32 { 1 << 31 }

    @usableFromInline let slots: UnsafeMutablePointer<Slot>
    @usableFromInline let lists: UnsafeMutablePointer<UInt32>
    @usableFromInline let mask: UInt32

    init(slots: UnsafeMutablePointer<Slot>, lists: UnsafeMutablePointer<UInt32>, mask: Int) {
        unsafe self.slots = slots
        unsafe self.lists = lists
        self.mask = UInt32(mask)
    }

    @inlinable
    static func tag(_ key: UInt64) -> UInt32 {
        // The upper half of an exact key is its tag, and never 0; the lowest bit of others is given up, so that none of them is 0.
        let upper = UInt32(truncatingIfNeeded: key >> 32)
        return upper & IndexKey.exactBit != 0 ? upper : upper | 1
    }

    @inlinable
    func find(_ key: UInt64) -> Run {
        let tag = Self.tag(key)
        let mask = Int(mask)
        var place = Int(truncatingIfNeeded: key) & mask
        while true {
            // Sound: `place` is masked, and a list that a slot points to lies within `lists`.
            let slot = unsafe slots + place
            let found = unsafe slot.pointee.tag
            if found == tag {
                let value = unsafe slot.pointee.value
                if value < Self.listBit { return unsafe Run(UnsafeRawPointer(slot), count: 1) }
                let list = unsafe lists + Int(value & ~Self.listBit)
                return unsafe Run(UnsafeRawPointer(list + 1), count: Int(list.pointee))
            }
            if found == 0 { return unsafe Run(UnsafeRawPointer(slot), count: 0) }
            place = (place &+ 1) & mask
        }
    }

    /// Of an index in memory of its own.
    func deallocate() { unsafe slots.deallocate() }
}
