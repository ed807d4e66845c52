/// Which network sets have a pattern among their names, in memory that lives as long as this object.
@safe
@usableFromInline
final class NameMembers: @unchecked Sendable {
    @safe
    @frozen
    @usableFromInline
    struct View: BitwiseCopyable {
        @frozen
        @usableFromInline
        struct Entry: BitwiseCopyable {
            @usableFromInline let pattern: PatternNumber
            @usableFromInline let member: UInt32
            /// The TCP port that the name counts for, 0 for any; of exclusive sets the number of the implicit rule.
            @usableFromInline let detail: UInt32
        }

        @usableFromInline let index: PositionIndex
        @usableFromInline let entries: UnsafeMutablePointer<Entry>
        @usableFromInline let count: Int

        init(index: PositionIndex, entries: UnsafeMutablePointer<Entry>, count: Int) {
            self.index = index
            unsafe self.entries = entries
            self.count = count
        }

        // Sound: places come from `index`, which was made for these entries.
        @inlinable
        func entry(_ place: Int) -> Entry { unsafe entries[place] }
    }

    let view: View
    private let entries: FlatMemory<View.Entry>

    init(_ names: [View.Entry]) {
        var builder = PositionIndexBuilder(capacity: names.count)
        for place in names.indices { builder.insert(IndexKey.pattern(names[place].pattern), place) }
        entries = FlatMemory(names)
        view = unsafe View(index: builder.freeze(), entries: entries.base, count: names.count)
    }

    deinit { view.index.deallocate() }
}
