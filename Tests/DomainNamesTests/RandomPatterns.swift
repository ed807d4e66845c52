import DomainNames

/// Few labels and short names, so that patterns often meet: in one node, in one name, in one number.
enum RandomPatterns {
    static func name(using generator: inout SeededGenerator) -> String {
        let labels = (0..<generator.below(7)).map { _ in
            // One in sixteen holds what Cilium's stars do not stand for.
            generator.below(16) == 0 ? "\\000" : label(using: &generator)
        }
        return labels.isEmpty ? "." : labels.joined(separator: ".")
    }

    static func pattern(using generator: inout SeededGenerator) throws -> DomainPattern {
        let tail = labels(1...4, using: &generator)
        switch generator.below(10) {
        case 0: return try DomainPattern(parsing: tail, dialect: .calico)
        case 1: return try DomainPattern(parsing: "*.\(tail)", dialect: .calico)
        case 2: return try DomainPattern(parsing: "*.\(tail)", dialect: .ovn)
        case 3: return try DomainPattern(parsing: "*.\(labels(2...4, using: &generator))", dialect: .kubernetes)
        case 4: return try DomainPattern(parsing: "\(labels(1...3, using: &generator)).*.\(tail)", dialect: .calico)
        case 5: return try DomainPattern(parsing: "*\(tail)", dialect: .antrea)
        case 6: return try DomainPattern(parsing: "**.\(globs(using: &generator))", dialect: .cilium)
        case 7 where generator.below(4) == 0: return try DomainPattern(parsing: "*", dialect: generator.below(2) == 0 ? .cilium : .antrea)
        default: return try DomainPattern(parsing: globs(using: &generator), dialect: .cilium)
        }
    }

    private static func label(using generator: inout SeededGenerator) -> String {
        ["a", "b", "c", "aa", "ab", "B", "aab", "abab"].randomElement(using: &generator) ?? "a"
    }

    private static func labels(_ count: ClosedRange<Int>, using generator: inout SeededGenerator) -> String {
        (0..<Int.random(in: count, using: &generator)).map { _ in label(using: &generator) }.joined(separator: ".")
    }

    private static func globs(using generator: inout SeededGenerator) -> String {
        (0...generator.below(4)).map { _ in
            let pieces = (0...generator.below(6)).map { _ in ["*", "*", "a", "b", "ab"].randomElement(using: &generator) ?? "*" }
            return generator.below(3) == 0 ? label(using: &generator) : pieces.joined()
        }.joined(separator: ".")
    }
}
