/// All patterns of a node's policy, each once, with the numbers of the lists that hold it: name in, patterns out.
///
///     name -> PatternTrie -> pattern ids -> entries: pattern, list numbers in order
///
/// A value: a copy is a frozen table for readers, while the original goes on changing. Copies share what has not changed since (pieces of
/// some KB), so that a list of ten patterns comes or goes in some tens of microseconds among 50,000 patterns, and the next copy costs as
/// little. Patterns count as the same if they mean the same, whatever their dialects.
public struct DomainPatternTable: Sendable {
    /// Dense, from 0 on. The number of a pattern that has gone is given to a later one: ids belong to one version of the table.
    public typealias PatternID = UInt32

    private var trie = PatternTrie()
    private var entries = ChunkedArray<PatternEntry>(chunkShift: 6, filler: PatternEntry())
    /// The first free entry plus one, or 0.
    private var freeEntry: UInt32 = 0
    /// Patterns that no name can match are held, but not in the trie.
    private var unmatchable: [DomainPattern: PatternID] = [:]
    public private(set) var patternCount = 0

    public init() {}

    /// All ids are below; for arrays by pattern.
    public var patternIDLimit: Int { entries.count }

    // MARK: - Changes

    /// Adds a pattern of the list `number`. Adding it again changes nothing.
    @discardableResult
    public mutating func insert(_ pattern: DomainPattern, number: UInt32) -> PatternID {
        let path = PatternPath(pattern)
        if let known = id(of: pattern, path) {
            _ = entries[Int(known)].insert(number)
            return known
        }
        let id = takeEntry()
        entries[Int(id)] = PatternEntry(pattern: pattern, first: number)
        patternCount += 1
        if let path { trie.insert(path, number: id) } else { unmatchable[pattern] = id }
        return id
    }

    /// Takes a pattern out of the list `number`. False if it was not there.
    @discardableResult
    public mutating func remove(_ pattern: DomainPattern, number: UInt32) -> Bool {
        let path = PatternPath(pattern)
        guard let id = id(of: pattern, path) else { return false }
        switch entries[Int(id)].remove(number) {
        case .absent: return false
        case .removed: return true
        case .removedLast:
            if let path { trie.remove(path) } else { unmatchable[pattern] = nil }
            entries[Int(id)] = PatternEntry(pattern: nil, first: freeEntry)
            freeEntry = id + 1
            patternCount -= 1
            return true
        }
    }

    private mutating func takeEntry() -> PatternID {
        guard freeEntry != 0 else { return PatternID(entries.append(PatternEntry())) }
        let id = freeEntry - 1
        freeEntry = entries[Int(id)].first
        return id
    }

    // MARK: - Patterns and their lists

    public func id(of pattern: DomainPattern) -> PatternID? { id(of: pattern, PatternPath(pattern)) }

    private func id(of pattern: DomainPattern, _ path: PatternPath?) -> PatternID? {
        path.map { trie.number(at: $0) } ?? unmatchable[pattern]
    }

    /// Nil if no pattern has this id.
    public func pattern(_ id: PatternID) -> DomainPattern? { id < patternIDLimit ? entries[Int(id)].pattern : nil }

    /// The lists that hold a pattern, in order; empty if no pattern has this id.
    public func numbers(of id: PatternID) -> [UInt32] {
        var numbers: [UInt32] = []
        appendNumbers(of: id, to: &numbers)
        return numbers
    }

    /// Appends the lists that hold a pattern, in order.
    public func appendNumbers(of id: PatternID, to result: inout [UInt32]) {
        guard id < patternIDLimit, entries[Int(id)].pattern != nil else { return }
        result.append(entries[Int(id)].first)
        result.append(contentsOf: entries[Int(id)].others)
    }

    // MARK: - Lookup

    /// Appends every pattern that matches, each once, in no particular order. Allocates nothing but growth of the array.
    public func appendPatterns(matching name: DomainName, to result: inout [PatternID]) {
        trie.appendNumbers(matching: name, to: &result)
    }

    /// Appends the number of every list with a pattern that matches, each once. Allocates nothing but growth of the array.
    ///
    /// Numbers that several matching patterns share are taken out at the end, so the array may need room for repeats, and the time
    /// follows the number of lists: where many lists hold the same patterns, `appendPatterns` is what to call.
    public func appendNumbers(matching name: DomainName, to result: inout [UInt32]) {
        let start = result.count
        trie.appendNumbers(matching: name, to: &result)
        let end = result.count
        guard end > start else { return }
        if end - start == 1, entries[Int(result[start])].others.isEmpty {
            result[start] = entries[Int(result[start])].first
            return
        }
        // The numbers go behind the ids, and then into their place.
        for index in start..<end {
            let id = Int(result[index])
            result.append(entries[id].first)
            result.append(contentsOf: entries[id].others)
        }
        result.removeSubrange(start..<end)
        // A pattern's numbers are distinct; only those of several may meet.
        if end - start > 1 { DistinctNumbers.reduce(&result, from: start) }
    }
}
