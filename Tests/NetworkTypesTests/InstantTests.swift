import NetworkTypes
import Testing

@Suite struct InstantTests {
    struct Step: CustomTestStringConvertible {
        let start: UInt64
        let nanoseconds: UInt64
        let sum: UInt64
        var testDescription: String { "\(start) + \(nanoseconds)" }
    }

    @Test(arguments: [
        Step(start: 0, nanoseconds: 0, sum: 0),
        Step(start: 5, nanoseconds: 7, sum: 12),
        Step(start: .max - 1, nanoseconds: 1, sum: .max),
        Step(start: .max, nanoseconds: 0, sum: .max),
        Step(start: .max, nanoseconds: 1, sum: .max),
        Step(start: 1, nanoseconds: .max, sum: .max),
        Step(start: .max, nanoseconds: .max, sum: .max),
    ])
    func `adding nanoseconds stops at the largest value`(_ step: Step) {
        #expect(Instant(nanoseconds: step.start).advanced(byNanoseconds: step.nanoseconds).nanoseconds == step.sum)
    }

    @Test func `adding seconds stops at the largest value`() {
        let secondsMax = UInt64.max / 1_000_000_000
        #expect(Instant(nanoseconds: 5).advanced(bySeconds: 2).nanoseconds == 2_000_000_005)
        #expect(Instant(nanoseconds: 0).advanced(bySeconds: secondsMax).nanoseconds == secondsMax * 1_000_000_000)
        #expect(Instant(nanoseconds: 0).advanced(bySeconds: secondsMax + 1).nanoseconds == .max)
        #expect(Instant(nanoseconds: 0).advanced(bySeconds: .max).nanoseconds == .max)
        #expect(Instant(nanoseconds: .max - 1).advanced(bySeconds: 1).nanoseconds == .max)
        #expect(Instant(seconds: 3).nanoseconds == 3_000_000_000)
        #expect(Instant(seconds: secondsMax + 1).nanoseconds == .max)
        #expect(Instant(seconds: .max).nanoseconds == .max)
    }

    @Test func `no time has passed since a later instant`() {
        let early = Instant(nanoseconds: 10)
        let late = Instant(nanoseconds: 25)
        #expect(late.nanoseconds(since: early) == 15)
        #expect(early.nanoseconds(since: late) == 0)
        #expect(early.nanoseconds(since: early) == 0)
        #expect(Instant(nanoseconds: .max).nanoseconds(since: Instant(nanoseconds: 0)) == .max)
    }

    @Test func `instants are ordered by time`() {
        #expect(Instant(nanoseconds: 1) < Instant(nanoseconds: 2))
        #expect(!(Instant(nanoseconds: 2) < Instant(nanoseconds: 2)))
    }
}
