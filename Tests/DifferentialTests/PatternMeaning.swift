import DomainNames
import PolicyEngine

/// A pattern number that was seen, and what it stood for: it may never stand for another pattern, and a pattern keeps its number while
/// policy names it.
struct PatternMeaning {
    let number: PatternNumber
    let pattern: DomainPattern
    /// Whether the policy that was looked at last had it.
    var isInUse = true

    static func difference(_ engine: borrowing EngineUnderTest, _ known: inout [PatternMeaning]) -> Disagreement? {
        for (number, pattern) in engine.policy.patterns(numberedFrom: 1) {
            if number >= engine.policy.nextPattern || !engine.policy.containsPattern(number) {
                return Disagreement(.numberReused, engine: "\(number) is of the policy and is not", reference: "it is")
            }
            if let before = known.first(where: { $0.number == number }) {
                if before.pattern != pattern {
                    return Disagreement(.numberReused, engine: "\(number) is \(pattern)", reference: "it was \(before.pattern)")
                }
            } else if let before = known.first(where: { $0.pattern == pattern && $0.isInUse }) {
                return Disagreement(.numberReused, engine: "\(pattern) is \(number)", reference: "it was \(before.number)")
            } else {
                known.append(PatternMeaning(number: number, pattern: pattern))
            }
        }
        for place in known.indices { known[place].isInUse = engine.policy.containsPattern(known[place].number) }
        return nil
    }
}
