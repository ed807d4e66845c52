import DomainNames

/// The patterns of one version of policy, by number and by name.
struct PatternTable: Sendable {
    var patterns = PagedTable<DomainPattern>()
    /// Each pattern with its one number.
    var names = DomainPatternTable()
    var next: PatternNumber = anyName + 1

    func pattern(_ number: PatternNumber) -> DomainPattern? { patterns[Int(number)] }

    func patterns(numberedFrom first: PatternNumber) -> [(PatternNumber, DomainPattern)] {
        var result: [(PatternNumber, DomainPattern)] = []
        guard first < next else { return result }
        patterns.forEach(from: Int(first)) { result.append((PatternNumber($0), $1)) }
        return result
    }
}
