import NetworkTypes

/// Which members (endpoints, network sets, slices of services) hold an address: by prefix, in memory that lives as long as this object.
@safe
@usableFromInline
final class AddressMembers: @unchecked Sendable {
    /// Numbers and addresses within.
    @safe
    @frozen
    @usableFromInline
    struct View: BitwiseCopyable {
        @frozen
        @usableFromInline
        struct Entry: BitwiseCopyable {
            @usableFromInline let prefix: IPPrefix
            @usableFromInline let member: UInt32
        }

        @usableFromInline let index: PositionIndex
        @usableFromInline let entries: UnsafeMutablePointer<Entry>
        @usableFromInline let count: Int
        /// Prefix lengths that occur, longest first: those of IPv4, then those of IPv6.
        @usableFromInline let lengths: UnsafeMutablePointer<UInt8>
        @usableFromInline let lengthCount4: Int
        @usableFromInline let lengthCount6: Int

        init(
            index: PositionIndex, entries: UnsafeMutablePointer<Entry>, count: Int, lengths: UnsafeMutablePointer<UInt8>, lengthCount4: Int,
            lengthCount6: Int
        ) {
            self.index = index
            unsafe self.entries = entries
            self.count = count
            unsafe self.lengths = lengths
            self.lengthCount4 = lengthCount4
            self.lengthCount6 = lengthCount6
        }

        // Sound: places come from `index`, which was made for these entries.

        @inlinable
        func entry(_ place: Int) -> Entry { unsafe entries[place] }

        @inlinable
        func lengthCount(_ family: IPFamily) -> Int { family == .v4 ? lengthCount4 : lengthCount6 }

        @inlinable
        func length(_ family: IPFamily, _ place: Int) -> UInt8 { unsafe lengths[family == .v4 ? place : lengthCount4 &+ place] }
    }

    let view: View
    private let entries: FlatMemory<View.Entry>
    private let lengths: FlatMemory<UInt8>

    init(_ prefixes: [(prefix: IPPrefix, member: UInt32)]) {
        var builder = PositionIndexBuilder(capacity: prefixes.count)
        var lengths = PrefixLengths()
        for place in prefixes.indices {
            let prefix = prefixes[place].prefix
            builder.insert(IndexKey.net(prefix.address, prefix.length), place)
            lengths.insert(prefix)
        }
        entries = FlatMemory(prefixes.map { View.Entry(prefix: $0.prefix, member: $0.member) })
        self.lengths = FlatMemory(lengths.longestFirst)
        view = unsafe View(
            index: builder.freeze(), entries: entries.base, count: prefixes.count, lengths: self.lengths.base,
            lengthCount4: lengths.count4, lengthCount6: lengths.count6)
    }

    deinit { view.index.deallocate() }
}
