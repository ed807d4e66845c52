import Enforcement
import NetworkTypes
import PolicyEngine
import Testing

/// Many names at few addresses: whatever is learned and ends in whatever order, an address is published as long as its longest binding says.
struct SharedAddressTests {
    private struct Random: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ state >> 29
        }
    }

    @Test func `what is published of an address is what all its names say`() throws {
        var ends = 0
        for seed in UInt64(1)...60 {
            var random = Random(state: seed)
            var limits = BindingLimits.small
            limits.bindings = 256
            limits.bindingsPerClient = 200
            limits.namesPerClient = 60
            limits.drainingPerClient = 12
            limits.redialSeconds = seed % 2 == 0 ? 40 : 0
            let bindings = try TestBindings(limits: limits)
            let texts = (1...5).map { "192.0.2.\($0)" }
            var seconds: UInt64 = 1
            for step in 0..<400 {
                switch Int.random(in: 0..<10, using: &random) {
                case 0..<6:
                    let name = "n\(Int.random(in: 0..<12, using: &random)).example.org"
                    let text = texts.randomElement(using: &random) ?? ""
                    try bindings.learn(name, text, ttl: .random(in: 0..<90, using: &random), at: seconds)
                case 6: bindings.admit(texts.randomElement(using: &random) ?? "", at: seconds)
                case 7: bindings.release(sweepsAt: seconds, seconds, unless: texts.randomElement(using: &random) ?? "")
                case 8: seconds += .random(in: 1..<20, using: &random)
                default: bindings.names.sweep(.random(in: 1..<64, using: &random), now: Instant(seconds: seconds))
                }
                var latest: [IPAddress: Instant] = [:]
                bindings.names.forEachBinding { _, _, address, expiry, _ in latest[address] = max(latest[address] ?? expiry, expiry) }
                for text in texts {
                    let place = address(text)
                    guard let end = latest[place] else {
                        ends += 1
                        #expect(!bindings.isBound(text, at: seconds), "seed \(seed), step \(step), \(text): nobody holds it")
                        continue
                    }
                    #expect(bindings.isBound(text, at: end), "seed \(seed), step \(step), \(text) to \(end)")
                    #expect(!bindings.isBound(text, at: end.advanced(byNanoseconds: 1)), "seed \(seed), step \(step), \(text) after \(end)")
                    let record = try #require(bindings.table.record(TestPolicy.web, place, anyName))
                    // It may have ended by itself and not been looked at yet, but it is one of this address.
                    let name = bindings.names.name(
                        ofRecord: record, client: TestPolicy.web, address: place, now: Instant(nanoseconds: 0))
                    #expect(name != nil, "seed \(seed), step \(step), \(text): record \(record)")
                }
            }
        }
        #expect(ends > 1_000)
    }
}
