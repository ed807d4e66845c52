/// The address sets that a member belongs to, ascending: `set number << 32 | protocol << 16 | port`, the low half 0 where the member
/// belongs to it whatever the port.
@safe
@usableFromInline
final class MemberSets: @unchecked Sendable {
    @safe
    @frozen
    @usableFromInline
    struct View: BitwiseCopyable {
        @usableFromInline let entries: UnsafeMutablePointer<UInt64>
        @usableFromInline let count: Int

        init(entries: UnsafeMutablePointer<UInt64>, count: Int) {
            unsafe self.entries = entries
            self.count = count
        }

        @inlinable
        subscript(_ place: Int) -> UInt64 {
            assert(place < count)
            return unsafe entries[place]
        }

        /// Whether it belongs to the set, as seen on a port: protocol << 16 | port.
        @inlinable
        func contains(_ set: UInt32, _ port: UInt32) -> Bool {
            let first = UInt64(set) << 32
            var low = 0
            var high = count
            while low < high {
                let middle = (low &+ high) >> 1
                if self[middle] < first { low = middle &+ 1 } else { high = middle }
            }
            while low < count, self[low] >> 32 == UInt64(set) {
                let wanted = UInt32(truncatingIfNeeded: self[low])
                if wanted == 0 || wanted == port { return true }
                low &+= 1
            }
            return false
        }
    }

    private let memory: FlatMemory<UInt64>
    var view: View { unsafe View(entries: memory.base, count: memory.count) }

    /// Entries ascending.
    init(_ entries: [UInt64]) { memory = FlatMemory(entries) }
}
