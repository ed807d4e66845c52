import EnforcementTesting
import PolicyModel
import Testing

struct SelectorKeysTests {
    @Test(
        arguments: [
            ("all()", nil), ("a == 'x'", ["a=x"]), ("a != 'x'", nil), ("!(a != 'x')", ["a=x"]), ("has(a)", ["a"]), ("!has(a)", nil),
            ("a in {'x', 'y'}", ["a=x", "a=y"]), ("a in {}", []), ("a not in {'x'}", nil), ("a == 'x' || b == 'y'", ["a=x", "b=y"]),
            ("a == 'x' || !has(b)", nil), ("has(a) && b == 'y'", ["b=y"]), ("!(a != 'x' || b == 'y')", ["a=x"]), ("!all()", []),
            ("a starts with 'x'", ["a"]), ("!(has(a) && has(b))", nil),
        ] as [(String, [String]?)])
    func `the keys that a selector asks for`(row: (String, [String]?)) throws {
        let keys = try Selector(parsing: row.0).necessaryKeys { _ in 0 }
        #expect(keys.map { $0.map { $0.label + ($0.value.map { "=\($0)" } ?? "") }.sorted() } == row.1, "\(row.0)")
    }

    @Test(arguments: 1...50 as ClosedRange<UInt64>)
    func `labels that match have one of the keys`(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        func text(_ depth: Int) -> String {
            let label = random.pick(["a", "b", "c"])
            let value = random.pick(["x", "y", "xy"])
            switch Int.random(in: 0..<(depth > 0 ? 10 : 6), using: &random) {
            case 0: return "\(label) == '\(value)'"
            case 1: return "\(label) != '\(value)'"
            case 2: return "has(\(label))"
            case 3: return "\(label) in {'\(value)', 'y'}"
            case 4: return "\(label) not in {'\(value)'}"
            case 5: return random.pick(["all()", "\(label) contains 'x'"])
            case 6, 7: return "(\(text(depth - 1)) && \(text(depth - 1)))"
            case 8: return "(\(text(depth - 1)) || \(text(depth - 1)))"
            default: return "!(\(text(depth - 1)))"
            }
        }
        for _ in 0..<40 {
            let selector = try Selector(parsing: text(4))
            let keys = selector.necessaryKeys { _ in Int.random(in: 0..<5, using: &random) }
            for _ in 0..<20 {
                var labels: [String: String] = [:]
                for label in ["a", "b", "c"] where random.chance(60) { labels[label] = random.pick(["x", "y", "xy", "z"]) }
                guard selector.matches(labels), let keys else { continue }
                #expect(
                    keys.contains { key in labels[key.label].map { key.value == nil || key.value == $0 } ?? false },
                    "seed \(seed): \(selector) \(labels)")
            }
        }
    }
}
