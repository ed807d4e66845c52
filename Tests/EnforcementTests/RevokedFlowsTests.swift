import Enforcement
import NetworkTypes
import Testing

@Suite struct RevokedFlowsTests {
    private static func key(_ port: UInt16) throws -> FlowKey {
        FlowKey(
            source: try #require(IPAddress(parsing: "192.0.2.2")), destination: try #require(IPAddress(parsing: "198.51.100.10")),
            transport: .udp, sourcePort: port, destinationPort: 443)
    }

    private static func second(_ number: UInt64) -> Instant { Instant(nanoseconds: number * 1_000_000_000) }

    @Test func `an entry that would end soon is lengthened until its flow has been silent for ten minutes`() throws {
        var flows = RevokedFlows()
        let key = try Self.key(1)
        flows.begin(now: Self.second(1_000))
        let answer0 = flows.note(key, packets: 5, remainingSeconds: 100)
        #expect(!answer0, "there is time")
        flows.begin(now: Self.second(1_010))
        let answer1 = flows.note(key, packets: 5, remainingSeconds: 12)
        #expect(answer1)
        flows.begin(now: Self.second(1_599))
        let answer2 = flows.note(key, packets: 5, remainingSeconds: 12)
        #expect(answer2)
        flows.begin(now: Self.second(1_600))
        let answer3 = flows.note(key, packets: 5, remainingSeconds: 12)
        #expect(!answer3, "silent for long enough")
        // One packet, and the time begins anew.
        flows.begin(now: Self.second(1_605))
        let answer4 = flows.note(key, packets: 6, remainingSeconds: 12)
        #expect(answer4)
        flows.begin(now: Self.second(2_204))
        let answer5 = flows.note(key, packets: 6, remainingSeconds: 12)
        #expect(answer5)
    }

    @Test func `a flow whose entry has gone is forgotten, and one beyond the capacity is counted`() throws {
        var flows = RevokedFlows(capacity: 2)
        flows.begin(now: Self.second(1))
        for port: UInt16 in 1...3 {
            let isKept = flows.note(try Self.key(port), packets: 1, remainingSeconds: 5)
            #expect(isKept == (port < 3))
        }
        flows.end()
        #expect(flows.count == 2)
        #expect(flows.overflows == 1)
        flows.begin(now: Self.second(11))
        let answer6 = flows.note(try Self.key(2), packets: 1, remainingSeconds: 5)
        #expect(answer6)
        flows.end()
        #expect(flows.count == 1)
        flows.begin(now: Self.second(21))
        let answer7 = flows.note(try Self.key(3), packets: 1, remainingSeconds: 5)
        #expect(answer7)
    }

    @Test func `walks come more often than the shortest timeout, and what a walk gives lasts for more than one`() {
        #expect(RevokedFlows.walkSeconds * 2 < 30)
        #expect(UInt64(RevokedFlows.timeoutSeconds) > RevokedFlows.walkSeconds * 2)
    }
}
