import Enforcement
import NetworkTypes
import Testing

/// How many flows of one endpoint are too many: what the table counts, and when an endpoint is capped.
@Suite struct ConnectionCapTests {
    private static let other = EndpointID(rawValue: 4)

    private static func sights(_ ports: Range<UInt16>, mark: FlowSight.Mark = .admitted) -> [FlowSight] {
        ports.map { TestFlows.sight(TestFlows.key($0), id: UInt32($0), mark: mark) }
    }

    @Test func `an endpoint is capped beyond its limit and no more below nine tenths of it`() {
        let flows = TestFlows(capacity: 64, connectionsPerEndpoint: 20)
        for sight in Self.sights(0..<20) { flows.handle(.seen(sight)) }
        #expect(flows.table.cap.count(of: TestFlows.client) == 20)
        #expect(flows.table.cap.capped.isEmpty)
        for sight in Self.sights(20..<23) { flows.handle(.seen(sight)) }
        #expect(flows.table.cap.capped == [TestFlows.client])
        for sight in Self.sights(0..<5) { flows.handle(.ended(sight)) }
        #expect(flows.table.cap.count(of: TestFlows.client) == 18)
        #expect(flows.table.cap.capped == [TestFlows.client])
        flows.handle(.ended(TestFlows.sight(TestFlows.key(5), id: 5)))
        #expect(flows.table.cap.capped.isEmpty)
        for sight in Self.sights(30..<34) { flows.handle(.seen(sight)) }
        #expect(flows.table.cap.capped == [TestFlows.client])
        #expect(flows.table.cap.cappings == 2)
    }

    @Test func `every endpoint has its own number, and a limit of 0 is none`() {
        for (limit, isCapped) in [(3, true), (0, false)] {
            let flows = TestFlows(capacity: 64, connectionsPerEndpoint: limit)
            for sight in Self.sights(0..<10) { flows.handle(.seen(sight)) }
            flows.handle(.seen(TestFlows.sight(TestFlows.key(100), id: 100, client: Self.other)))
            #expect(flows.table.cap.capped.contains(TestFlows.client) == isCapped)
            #expect(!flows.table.cap.capped.contains(Self.other))
            #expect(flows.table.cap.count(of: Self.other) == 1)
        }
    }

    @Test func `a flow counts once, by verdict and event, and one refused since counts on`() throws {
        let flows = TestFlows(capacity: 64, connectionsPerEndpoint: 20)
        let key = TestFlows.key(1)
        try flows.decide(key)
        #expect(flows.table.cap.count(of: TestFlows.client) == 1)
        flows.handle(.seen(TestFlows.sight(key)))
        flows.handle(.seen(TestFlows.sight(key, mark: .denied)))
        #expect(flows.table.cap.count(of: TestFlows.client) == 1)
        flows.handle(.ended(TestFlows.sight(key, mark: .denied)))
        #expect(flows.table.cap.count(of: TestFlows.client) == 0)
        // A flow that nobody decided is none of ours.
        flows.handle(.seen(TestFlows.sight(key, mark: .none)))
        #expect(flows.table.cap.count(of: TestFlows.client) == 0)
    }

    @Test func `flows for which the table has no room count, and each walk over conntrack puts the number right`() throws {
        let flows = TestFlows(capacity: 4, connectionsPerEndpoint: 8)
        for sight in Self.sights(0..<10) { flows.handle(.seen(sight)) }
        #expect(flows.table.flowCount == 4)
        #expect(flows.table.cap.count(of: TestFlows.client) == 10)
        #expect(flows.table.cap.capped == [TestFlows.client])
        for sight in Self.sights(6..<10) { flows.handle(.ended(sight)) }
        #expect(flows.table.cap.count(of: TestFlows.client) == 6)
        #expect(flows.table.cap.capped.isEmpty)
        // Verdicts of flows that connection tracking has not shown do not count, having no place.
        for port in UInt16(20)..<30 { try flows.decide(TestFlows.key(port)) }
        #expect(flows.table.cap.count(of: TestFlows.client) == 6)
        // Ends and beginnings that nobody told of.
        flows.sweep(Self.sights(0..<9))
        #expect(flows.table.cap.count(of: TestFlows.client) == 9)
        #expect(flows.table.cap.capped == [TestFlows.client])
        flows.sweep(Self.sights(0..<4), isComplete: false)
        #expect(flows.table.cap.count(of: TestFlows.client) == 9)
        flows.sweep(Self.sights(0..<4))
        #expect(flows.table.cap.count(of: TestFlows.client) == 4)
        #expect(flows.table.cap.capped.isEmpty)
    }

    @Test func `a process that takes the table over counts what it finds there`() {
        let memory = SharedMemory(byteCount: FlowTable.byteCount(capacity: 16))
        var table = FlowTable(memory, capacity: 16, bootMark: 1, connectionsPerEndpoint: 5)
        for sight in Self.sights(0..<7) { _ = table.handle(.seen(sight), now: Instant(seconds: 1)) }
        let next = FlowTable(memory, capacity: 16, bootMark: 1, connectionsPerEndpoint: 5)
        let (count, capped) = (next.cap.count(of: TestFlows.client), next.cap.capped)
        #expect(count == 7)
        #expect(capped == [TestFlows.client])
    }
}
