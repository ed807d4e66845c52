import DomainNames

/// Gives out the numbers of patterns and counts who uses them.
struct PatternRegistry {
    private struct Entry {
        let hash: UInt64
        var users: Int
    }

    /// By the ids of the published table.
    private var entries: [Entry] = []
    private(set) var table = PatternTable()

    var count: Int { table.names.patternCount }

    /// The number of a pattern, and a hash of its text that is equal over restarts. To be given back with `release`.
    mutating func acquire(_ pattern: DomainPattern) -> (number: PatternNumber, hash: UInt64) {
        if let id = table.names.id(of: pattern) {
            entries[Int(id)].users += 1
            return (table.names.numbers(of: id)[0], entries[Int(id)].hash)
        }
        let number = table.next
        precondition(number < IndexKey.patternMax, "pattern numbers are used up")
        table.next += 1
        let id = table.names.insert(pattern, number: number)
        table.patterns[Int(number)] = pattern
        let entry = Entry(hash: StableHash.hash(pattern.description), users: 1)
        if Int(id) < entries.count { entries[Int(id)] = entry } else { entries.append(entry) }
        return (number, entry.hash)
    }

    mutating func release(_ number: PatternNumber) {
        guard let pattern = table.pattern(number), let id = table.names.id(of: pattern) else {
            preconditionFailure("a pattern is released as often as it was acquired")
        }
        entries[Int(id)].users -= 1
        guard entries[Int(id)].users == 0 else { return }
        _ = table.names.remove(pattern, number: number)
        table.patterns[Int(number)] = nil
    }

    func hash(_ number: PatternNumber) -> UInt64 {
        guard let pattern = table.pattern(number), let id = table.names.id(of: pattern) else {
            preconditionFailure("the pattern is in use")
        }
        return entries[Int(id)].hash
    }
}
