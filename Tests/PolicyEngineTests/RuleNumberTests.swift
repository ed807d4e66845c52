import EnforcementTesting
import PolicyEngine
import PolicyModel
import Testing

struct RuleNumberTests {
    @Test(arguments: 1...5 as ClosedRange<UInt64>)
    func `a number belongs to one origin at a time, and the table does not grow with all that there were`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var numbers = RuleNumbers(turn: 1_024)
        var live: [RuleOrigin] = []
        for step in 0..<10_000 {
            if live.count >= 200 || (!live.isEmpty && random.next() % 3 == 0) {
                let origin = live.remove(at: Int(random.next() % UInt64(live.count)))
                numbers.release(origin)
                #expect(origin.numbers.allSatisfy { numbers.origins[$0] == nil })
            } else {
                let rules = Array(repeating: PolicyRule(action: .allow), count: Int(random.next() % 12))
                live.append(numbers.register(.profile(Profile(name: "p\(step)", egress: rules))))
            }
            guard step % 500 == 0 else { continue }
            #expect(live.allSatisfy { origin in origin.numbers.allSatisfy { numbers.origins[$0] === origin } })
        }
        // Some 36,000 numbers were given, of which at most 200 runs of 11 were in use at a time.
        #expect(numbers.origins.end < 8_192, "\(numbers.origins.end)")
    }
}
