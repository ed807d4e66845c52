import Enforcement
import NetworkTypes
import Testing

struct RetiredGenerationsTests {
    private let address = IPAddress(v4: 0xc633_6401)
    private let start = Instant(seconds: 1_000)

    @Test func `a generation rests for longer than any kernel lease that bears it, at its own address alone`() {
        var retired = RetiredGenerations()
        retired.retire(3, of: address, now: start)
        let rows: [(UInt16, IPAddress, UInt64, Bool)] = [
            (3, address, 0, true), (3, address, LeaseBudget.leaseSeconds, true), (3, address, RetiredGenerations.restSeconds, false),
            (4, address, 0, false), (3, IPAddress(v4: 0xc633_6402), 0, false),
        ]
        for (generation, address, seconds, isKept) in rows {
            let contains = retired.contains(generation, of: address, now: start.advanced(bySeconds: seconds))
            #expect(contains == isKept, "\(generation) of \(address) after \(seconds) s")
        }
    }

    @Test func `what has rested is forgotten`() {
        var retired = RetiredGenerations()
        for number in 0..<1_000 as Range<UInt32> {
            retired.retire(1, of: IPAddress(v4: 0xc633_6400 + number), now: start.advanced(bySeconds: UInt64(number)))
        }
        #expect(retired.count <= 2 * Int(RetiredGenerations.restSeconds))
    }
}
