import DNSMessages
import Testing

/// SplitMix64: the same numbers for the same seed, everywhere.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }
}

@Suite struct MutationTests {
    @Test func `mutated answers never trap, and what passes is read alike by both parsers`() throws {
        let seed: UInt64 = 20_260_114
        var generator = SeededGenerator(seed: seed)
        let corpus = GoodMessage.all.map(\.bytes) + MalformedResponseTests.rows.map(\.bytes).filter { $0.count < 2_000 }
        let clock = ContinuousClock()
        let end = clock.now + .seconds(3)
        var passed = 0
        var withAddresses = 0
        var rounds = 0
        var counts: [MessageFault: Int] = [:]
        while rounds < 1_000_000, rounds & 0xfff != 0 || clock.now < end {
            rounds += 1
            var bytes = corpus[Int(truncatingIfNeeded: generator.next() % UInt64(corpus.count))]
            for _ in 0...(generator.next() % 3) {
                let random = generator.next()
                let index = Int(truncatingIfNeeded: random >> 32) % bytes.count
                switch random % 5 {
                case 0: bytes[index] ^= 1 << UInt8(random >> 8 & 7)
                case 1: bytes[index] = UInt8(truncatingIfNeeded: random >> 8)
                case 2: bytes[index] = [0, 1, 12, 0xc0, 0xff, 41, 5, 39][Int(random >> 8 & 7)]
                case 3: bytes.insert(UInt8(truncatingIfNeeded: random >> 8), at: index)
                default: if bytes.count > 1 { bytes.remove(at: index) }
                }
            }
            if let fault = responseFault(bytes) {
                counts[fault, default: 0] += 1
                continue
            }
            passed += 1
            let response = try DNSResponse(parsing: bytes.span)
            if !response.addresses.isEmpty { withAddresses += 1 }
            _ = queryFault(bytes)
        }
        print(
            "seed \(seed): \(rounds) mutations, \(passed) passed, \(withAddresses) with addresses;",
            "refusals \(counts[.parserRefusal] ?? 0), disagreements \(counts[.parserDisagreement] ?? 0)")
        #expect(passed > 1_000)
        #expect(counts[.parserDisagreement] == nil)
        #expect(counts.count > 20)
    }
}
