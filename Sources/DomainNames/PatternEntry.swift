/// A pattern of a table, and the numbers of the lists that hold it.
struct PatternEntry: Sendable {
    /// Nil in the list of free entries; `first` is then the next one plus one.
    var pattern: DomainPattern?
    /// The smallest number; most patterns have one only.
    var first: UInt32 = 0
    /// The others, in order.
    var others: [UInt32] = []

    /// Adds a number; false if it is there.
    mutating func insert(_ number: UInt32) -> Bool {
        guard number != first else { return false }
        if number < first {
            others.insert(first, at: 0)
            first = number
            return true
        }
        let place = place(of: number)
        guard place == others.count || others[place] != number else { return false }
        others.insert(number, at: place)
        return true
    }

    enum Removal {
        case absent, removed, removedLast
    }

    mutating func remove(_ number: UInt32) -> Removal {
        if number == first {
            guard !others.isEmpty else { return .removedLast }
            first = others.removeFirst()
            return .removed
        }
        let place = place(of: number)
        guard place < others.count, others[place] == number else { return .absent }
        others.remove(at: place)
        return .removed
    }

    /// Where it is or would be among the others.
    private func place(of number: UInt32) -> Int {
        var range = 0..<others.count
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            range = others[middle] < number ? (middle + 1)..<range.upperBound : range.lowerBound..<middle
        }
        return range.lowerBound
    }
}
