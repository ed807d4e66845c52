/// The names that exclusive policies keep for the endpoints that they select, by pattern and by the policies' places in the order; in
/// memory that lives as long as this object.
///
/// One table serves all endpoints: a program says which policies select its endpoints, every other one denies there.
@safe
@usableFromInline
final class ExclusivePolicies: @unchecked Sendable {
    struct Policy {
        /// Its place in the order of all policies.
        let rank: UInt32
        /// Of its implicit rule.
        let number: UInt32
        /// Ascending.
        let patterns: [PatternNumber]
    }

    @safe
    @frozen
    @usableFromInline
    struct View: BitwiseCopyable {
        @frozen
        @usableFromInline
        struct Entry: BitwiseCopyable {
            @usableFromInline let rank: UInt32
            @usableFromInline let number: UInt32
            @usableFromInline let firstPattern: UInt32
            @usableFromInline let patternCount: UInt32
        }

        @usableFromInline let index: PositionIndex
        @usableFromInline let entries: UnsafeMutablePointer<Entry>
        @usableFromInline let patterns: UnsafeMutablePointer<PatternNumber>
        @usableFromInline let count: Int

        init(index: PositionIndex, entries: UnsafeMutablePointer<Entry>, patterns: UnsafeMutablePointer<PatternNumber>, count: Int) {
            self.index = index
            unsafe self.entries = entries
            unsafe self.patterns = patterns
            self.count = count
        }

        // Sound: places come from `index`, and slices of patterns from the entries.

        @inlinable
        func entry(_ place: Int) -> Entry { unsafe entries[place] }

        @inlinable
        func names(_ entry: Entry, _ pattern: PatternNumber) -> Bool {
            var low = Int(entry.firstPattern)
            var high = low &+ Int(entry.patternCount)
            while low < high {
                let middle = (low &+ high) >> 1
                let number = unsafe patterns[middle]
                if number == pattern { return true }
                if number < pattern { low = middle &+ 1 } else { high = middle }
            }
            return false
        }
    }

    let view: View
    private let entries: FlatMemory<View.Entry>
    private let patterns: FlatMemory<PatternNumber>

    /// Policies by ascending rank.
    init(_ policies: [Policy]) {
        var builder = PositionIndexBuilder(capacity: policies.reduce(0) { $0 + $1.patterns.count })
        var entries: [View.Entry] = []
        var patterns: [PatternNumber] = []
        for place in policies.indices {
            let policy = policies[place]
            for pattern in policy.patterns { builder.insert(IndexKey.pattern(pattern), place) }
            entries.append(
                View.Entry(
                    rank: policy.rank, number: policy.number, firstPattern: UInt32(patterns.count),
                    patternCount: UInt32(policy.patterns.count)))
            patterns += policy.patterns
        }
        self.entries = FlatMemory(entries)
        self.patterns = FlatMemory(patterns)
        view = unsafe View(index: builder.freeze(), entries: self.entries.base, patterns: self.patterns.base, count: policies.count)
    }

    deinit { view.index.deallocate() }
}
