import DomainNames
import Enforcement
import NetworkTypes
import PolicyEngine
import Testing

/// A table with its memory, and short words for what happens to flows.
final class TestFlows {
    static let client = EndpointID(rawValue: 3)
    static let server = IPAddress(v4: 0xc633_640a)

    let memory: SharedMemory
    let capacity: Int
    var table: FlowTable
    var now = Instant(seconds: 1_000)
    private(set) var ended: [TrackedFlow] = []
    private(set) var redecided: [TrackedFlow] = []

    init(capacity: Int = 16, connectionsPerEndpoint: Int = 0) {
        memory = SharedMemory(byteCount: FlowTable.byteCount(capacity: capacity))
        self.capacity = capacity
        table = FlowTable(memory, capacity: capacity, bootMark: 1, connectionsPerEndpoint: connectionsPerEndpoint)
    }

    func restart(bootMark: UInt64 = 1) { table = FlowTable(memory, capacity: capacity, bootMark: bootMark) }

    static func key(_ port: UInt16, to address: IPAddress = server, transport: TransportProtocol = .tcp) -> FlowKey {
        FlowKey(source: IPAddress(v4: 0xc000_0202), destination: address, transport: transport, sourcePort: port, destinationPort: 443)
    }

    static func admission(_ name: String, rule: String = "default|shop|egress[0]|Allow", client: EndpointID = client) throws
        -> FlowAdmission
    {
        FlowAdmission(endpoint: client, name: try DomainName(parsing: name), rule: rule, reason: .policyAllow, policyVersion: 7)
    }

    func handle(_ event: FlowEvent) {
        for action in table.handle(event, now: now) {
            switch action {
            case .ended(let flow): ended.append(flow)
            case .redecide(let flow): redecided.append(flow)
            }
        }
    }

    func decide(
        _ key: FlowKey, _ name: String = "one.example.org", allows: Bool = true, again: Bool = false, client: EndpointID = client,
        rule: String = "default|shop|egress[0]|Allow"
    ) throws {
        let tuple = FlowTuple(
            source: key.source, destination: key.destination, transport: key.transport, sourcePort: key.sourcePort,
            destinationPort: key.destinationPort)
        handle(
            .decided(
                FlowFact(
                    time: now, flow: tuple, isAllowed: allows, isRedecision: again,
                    admission: try Self.admission(name, rule: rule, client: client))))
    }

    static func sight(
        _ key: FlowKey, id: UInt32 = 1, mark: FlowSight.Mark = .admitted, bytes: UInt64 = 0, client: EndpointID? = client
    ) -> FlowSight {
        FlowSight(
            key: key, originalDestination: key.destination, originalDestinationPort: key.destinationPort, id: id, mark: mark,
            endpoint: client, count: FlowTraffic(packetsOut: bytes / 100, bytesOut: bytes, packetsIn: 0, bytesIn: bytes * 2), start: nil)
    }

    func sweep(_ sights: [FlowSight], isComplete: Bool = true) {
        handle(.sweepBegan)
        for sight in sights { handle(.swept(sight)) }
        handle(.sweepEnded(isComplete: isComplete))
    }

    func pass(_ seconds: UInt64) { now = now.advanced(bySeconds: seconds) }

    func state(_ key: FlowKey) -> TrackedFlow.State? { table.flow(key)?.state }
    func name(_ key: FlowKey) -> String? { table.flow(key)?.admission?.name?.description }
    func flow(_ key: FlowKey) -> TrackedFlow? { table.flow(key) }
    func isUsed(_ client: EndpointID, _ address: IPAddress) -> Bool { table.isInUse(client, address) }
    var isInUse: Bool { table.isInUse(Self.client, Self.server) }
    var flowCount: Int { table.flowCount }
    var counters: FlowTableCounters { table.counters }
}

struct FlowTableTests {
    let key = TestFlows.key(5_000)

    @Test(arguments: [true, false])
    func `verdict and conntrack tell their halves in any order`(verdictFirst: Bool) throws {
        let flows = TestFlows()
        if verdictFirst { try flows.decide(key) }
        #expect(flows.isInUse == verdictFirst)
        flows.handle(.seen(TestFlows.sight(key, id: 9)))
        if !verdictFirst { try flows.decide(key) }
        #expect(flows.state(key) == .live && flows.name(key) == "one.example.org" && flows.isInUse)
        flows.pass(10)
        flows.handle(.ended(TestFlows.sight(key, id: 9, bytes: 700)))
        #expect(flows.flowCount == 0 && !flows.isInUse)
        let flow = try #require(flows.ended.first)
        #expect(flow.traffic == FlowTraffic(packetsOut: 7, bytesOut: 700, packetsIn: 0, bytesIn: 1_400))
        #expect(flow.admission == (try TestFlows.admission("one.example.org")))
        #expect(flow.end == flows.now && flow.start == Instant(seconds: 1_000))
        #expect(flows.counters.traffic.bytesOut == 700 && flows.counters.began == 1 && flows.counters.ended == 1)
    }

    @Test func `a flow that no verdict tells of has the admission of the last of its kind`() throws {
        let flows = TestFlows()
        try flows.decide(key)
        try flows.decide(TestFlows.key(5_001), "two.example.org")
        flows.handle(.seen(TestFlows.sight(TestFlows.key(5_002), id: 2)))
        #expect(flows.name(TestFlows.key(5_002)) == "two.example.org")
        // Another address, another protocol and another endpoint are other kinds.
        for (other, client) in [
            (TestFlows.key(5_003, to: IPAddress(v4: 1)), TestFlows.client), (TestFlows.key(5_004, transport: .udp), TestFlows.client),
            (TestFlows.key(5_005), EndpointID(rawValue: 4)),
        ] {
            flows.handle(.seen(TestFlows.sight(other, id: 3, client: client)))
            #expect(flows.state(other) == .live && flows.name(other) == nil)
        }
        // Not for ever.
        flows.pass(61)
        flows.handle(.seen(TestFlows.sight(TestFlows.key(5_006), id: 4)))
        #expect(flows.name(TestFlows.key(5_006)) == nil)
    }

    @Test func `ICMP has an identifier that verdicts do not tell, and is attributed by its kind`() throws {
        let flows = TestFlows()
        let ping = FlowKey(
            source: IPAddress(v4: 0xc000_0202), destination: TestFlows.server, transport: .icmp, sourcePort: 0, destinationPort: 0)
        try flows.decide(ping)
        #expect(flows.flowCount == 0)
        for id: UInt16 in [77, 78] {
            let echo = FlowKey(
                source: ping.source, destination: ping.destination, transport: .icmp, sourcePort: id, destinationPort: 8 << 8)
            flows.handle(.seen(TestFlows.sight(echo, id: UInt32(id))))
            #expect(flows.name(echo) == "one.example.org")
        }
        #expect(flows.flowCount == 2)
    }

    @Test func `what was never decided and what belongs to no endpoint is not tracked`() throws {
        let flows = TestFlows()
        flows.handle(.seen(TestFlows.sight(key, mark: .none)))
        flows.handle(.seen(TestFlows.sight(key, client: nil)))
        try flows.decide(key, allows: false)
        #expect(flows.flowCount == 0 && !flows.isInUse)
    }

    // MARK: Lost events

    @Test func `an end that was lost is noticed by two complete sweeps, and broken ones count for nothing`() throws {
        let flows = TestFlows()
        try flows.decide(key)
        flows.handle(.seen(TestFlows.sight(key, bytes: 100)))
        flows.sweep([TestFlows.sight(key, bytes: 500)])
        #expect(flows.flow(key)?.traffic.bytesOut == 500)
        for _ in 0..<3 { flows.sweep([], isComplete: false) }
        flows.sweep([])
        #expect(flows.ended.isEmpty && flows.isInUse)
        // Shown again: it had moved in the table during the walk.
        flows.sweep([TestFlows.sight(key, bytes: 600)])
        flows.sweep([])
        #expect(flows.ended.isEmpty && flows.isInUse)
        flows.sweep([])
        #expect(flows.ended.map(\.traffic.bytesOut) == [600] && !flows.isInUse)
        #expect(flows.counters.traffic.bytesOut == 600)
    }

    @Test func `a flow that begins during a sweep is not missed by it`() throws {
        let flows = TestFlows()
        flows.handle(.sweepBegan)
        try flows.decide(key)
        flows.handle(.seen(TestFlows.sight(key)))
        flows.handle(.sweepEnded(isComplete: true))
        flows.sweep([])
        #expect(flows.state(key) == .live)
    }

    @Test func `a marked flow of which nothing is known is decided anew, once its fact should have come, until it is told of`() throws {
        let flows = TestFlows()
        flows.sweep([TestFlows.sight(key)])
        #expect(flows.redecided.isEmpty)
        flows.pass(6)
        flows.sweep([TestFlows.sight(key)])
        #expect(flows.redecided.map(\.key) == [key])
        // It was asked, and is idle.
        flows.sweep([TestFlows.sight(key, mark: .asked)])
        #expect(flows.redecided.count == 1 && flows.isInUse)
        try flows.decide(key, again: true)
        flows.sweep([TestFlows.sight(key)])
        #expect(flows.redecided.count == 1 && flows.name(key) == "one.example.org")
    }

    @Test func `what is decided anew in one sweep is bounded`() throws {
        let flows = TestFlows(capacity: 4_096)
        let sights = (0..<3_000).map { TestFlows.sight(TestFlows.key(UInt16($0 + 1)), id: UInt32($0 + 1)) }
        flows.sweep(sights)
        flows.pass(6)
        flows.sweep(sights)
        #expect(flows.redecided.count == FlowTable.redecisionsPerSweepMax)
    }

    @Test func `an admission that conntrack never shows is forgotten`() throws {
        let flows = TestFlows()
        try flows.decide(key)
        flows.pass(29)
        flows.sweep([])
        #expect(flows.state(key) == .admitted && flows.isInUse)
        flows.pass(2)
        flows.sweep([])
        #expect(flows.flowCount == 0 && !flows.isInUse && flows.ended.isEmpty && flows.counters.unconfirmed == 1)
    }

    @Test func `a new entry of the same ends ends the old one, and the old one's end is then nobody's`() throws {
        let flows = TestFlows()
        try flows.decide(key)
        flows.handle(.seen(TestFlows.sight(key, id: 1, bytes: 300)))
        try flows.decide(key, "two.example.org")
        flows.handle(.seen(TestFlows.sight(key, id: 2)))
        #expect(flows.ended.map(\.id) == [1])
        flows.handle(.ended(TestFlows.sight(key, id: 1, bytes: 300)))
        #expect(flows.name(key) == "two.example.org" && flows.isInUse && flows.ended.count == 1)
        // Two entries with the same ends, in every sweep: the first stands for both.
        for _ in 0..<3 { flows.sweep([TestFlows.sight(key, id: 2), TestFlows.sight(key, id: 3)]) }
        #expect(flows.ended.count == 1)
    }

    @Test func `a flow that takes the ends of another is known by its own name whichever of the two is told of first`() throws {
        let flows = TestFlows()
        try flows.decide(key)
        flows.handle(.seen(TestFlows.sight(key, id: 1)))
        try flows.decide(key, "two.example.org")
        flows.handle(.ended(TestFlows.sight(key, id: 1, bytes: 300)))
        // Each end tells under what that flow was admitted.
        #expect(flows.ended.map(\.admission?.name?.description) == ["one.example.org"])
        #expect(flows.state(key) == .admitted && flows.name(key) == "two.example.org" && flows.isInUse)
        flows.handle(.seen(TestFlows.sight(key, id: 2)))
        try flows.decide(key, "three.example.org")
        flows.handle(.seen(TestFlows.sight(key, id: 3)))
        #expect(flows.ended.map(\.admission?.name?.description) == ["one.example.org", "two.example.org"])
        #expect(flows.name(key) == "three.example.org")
        // A first packet that was sent again, of the same entry.
        try flows.decide(key, "four.example.org")
        flows.handle(.seen(TestFlows.sight(key, id: 3)))
        flows.handle(.ended(TestFlows.sight(key, id: 3)))
        #expect(flows.ended.last?.admission?.name?.description == "four.example.org" && flows.flowCount == 0 && !flows.isInUse)
        // Shown before its verdict, with the admission of the last of its kind; and long after it another one takes its ends.
        flows.handle(.seen(TestFlows.sight(key, id: 4)))
        #expect(flows.name(key) == "four.example.org")
        try flows.decide(key, "five.example.org")
        #expect(flows.name(key) == "five.example.org")
        flows.handle(.ended(TestFlows.sight(key, id: 4)))
        #expect(flows.ended.last?.admission?.name?.description == "five.example.org" && flows.flowCount == 0 && !flows.isInUse)
        flows.handle(.seen(TestFlows.sight(key, id: 5)))
        flows.pass(6)
        try flows.decide(key, "six.example.org")
        flows.handle(.ended(TestFlows.sight(key, id: 5)))
        #expect(flows.ended.last?.admission?.name?.description == "five.example.org" && flows.name(key) == "six.example.org")
    }

    @Test func `a refused flow that is to be decided again keeps its address in use until then`() throws {
        let flows = TestFlows()
        try flows.decide(key)
        flows.handle(.seen(TestFlows.sight(key)))
        try flows.decide(key, allows: false, again: true)
        #expect(flows.state(key) == .denied && !flows.isInUse)
        // The process died before the refusal had reached the kernel, or policy has changed since.
        flows.restart()
        #expect(flows.state(key) == .denied)
        flows.sweep([TestFlows.sight(key, mark: .asked)])
        #expect(flows.state(key) == .live && flows.isInUse && flows.name(key) == "one.example.org")
        flows.sweep([TestFlows.sight(key, mark: .denied)])
        #expect(flows.state(key) == .denied)
    }

    @Test(arguments: [1, 2] as [UInt32])
    func `a flow that takes the ends of another is known to the next process, whichever of the two lives`(id: UInt32) throws {
        let flows = TestFlows()
        try flows.decide(key)
        flows.handle(.seen(TestFlows.sight(key, id: 1)))
        try flows.decide(key, "two.example.org")
        flows.restart()
        flows.sweep([TestFlows.sight(key, id: id)])
        #expect(flows.name(key) == "two.example.org" && flows.state(key) == .live && flows.ended.isEmpty)
    }

    @Test func `an address that has another owner by now takes no admission along`() throws {
        let flows = TestFlows()
        try flows.decide(key)
        flows.handle(.seen(TestFlows.sight(key)))
        let other = EndpointID(rawValue: 9)
        try flows.decide(key, "two.example.org", client: other)
        #expect(flows.ended.count == 1 && !flows.isInUse && flows.isUsed(other, TestFlows.server))
        flows.handle(.seen(TestFlows.sight(key, id: 5, client: TestFlows.client)))
        #expect(!flows.isUsed(other, TestFlows.server))
    }

    // MARK: Revocation

    @Test func `a refused flow uses nothing until it is allowed again`() throws {
        let flows = TestFlows()
        try flows.decide(key)
        flows.handle(.seen(TestFlows.sight(key)))
        try flows.decide(key, allows: false, again: true)
        #expect(flows.state(key) == .denied && !flows.isInUse)
        flows.sweep([TestFlows.sight(key, mark: .denied)])
        // Its mark is taken back; the new policy has not decided yet.
        flows.sweep([TestFlows.sight(key, mark: .none)])
        #expect(flows.state(key) == .denied && !flows.isInUse)
        try flows.decide(key, "two.example.org")
        #expect(flows.state(key) == .live && flows.isInUse && flows.name(key) == "two.example.org")
    }

    @Test func `a sweep corrects what a lost fact left wrong`() throws {
        let flows = TestFlows()
        try flows.decide(key)
        flows.handle(.seen(TestFlows.sight(key)))
        for _ in 0..<2 { flows.sweep([TestFlows.sight(key, mark: .denied)]) }
        #expect(flows.state(key) == .denied && !flows.isInUse)
        flows.sweep([TestFlows.sight(key, mark: .admitted)])
        #expect(flows.state(key) == .live && flows.isInUse)
    }

    // MARK: Bounds

    @Test func `beyond the capacity flows are counted and their addresses stay in use while sweeps show them`() throws {
        let flows = TestFlows(capacity: 2)
        let far = IPAddress(v4: 0xcb00_7107)
        let keys = [TestFlows.key(1), TestFlows.key(2), TestFlows.key(3, to: far)]
        for (index, key) in keys.enumerated() {
            try flows.decide(key)
            flows.handle(.seen(TestFlows.sight(key, id: UInt32(index + 1))))
        }
        #expect(flows.flowCount == 2 && flows.counters.full == 2)
        #expect(flows.isUsed(TestFlows.client, far))
        let all = keys.enumerated().map { TestFlows.sight($0.element, id: UInt32($0.offset + 1)) }
        for _ in 0..<3 { flows.sweep(all) }
        #expect(flows.isUsed(TestFlows.client, far) && flows.redecided.isEmpty)
        flows.sweep(Array(all[..<2]))
        #expect(flows.isUsed(TestFlows.client, far), "entries may move during a walk: one that does not show it says nothing")
        flows.sweep(Array(all[..<1]), isComplete: false)
        flows.sweep(Array(all[..<2]))
        #expect(!flows.isUsed(TestFlows.client, far))
        // Room again.
        flows.handle(.ended(all[0]))
        flows.handle(.seen(all[2]))
        #expect(flows.state(keys[2]) == .live)
    }

    @Test func `an address that came into use since a sweep, beyond the capacity, is in use when the next does not show it`() throws {
        let flows = TestFlows(capacity: 1)
        let far = IPAddress(v4: 0xcb00_7107)
        let near = TestFlows.sight(TestFlows.key(1))
        flows.handle(.seen(near))
        for _ in 0..<2 { flows.sweep([near]) }
        flows.handle(.seen(TestFlows.sight(TestFlows.key(2, to: far), id: 2)))
        for isComplete in [false, true] {
            flows.sweep([near], isComplete: isComplete)
            #expect(flows.isUsed(TestFlows.client, far))
        }
        flows.sweep([near])
        #expect(!flows.isUsed(TestFlows.client, far))
    }

    @Test func `a copy of what is in use does not change with the table`() throws {
        let flows = TestFlows()
        try flows.decide(key)
        let uses = flows.table.uses
        flows.pass(31)
        for _ in 0..<2 { flows.sweep([]) }
        #expect(uses.contains(TestFlows.client, TestFlows.server) && !flows.isInUse)
    }

    @Test func `until a process has swept twice, every address may be in use by flows that the one before had no room for`() {
        let flows = TestFlows()
        flows.sweep([])
        flows.sweep([], isComplete: false)
        #expect(flows.isInUse)
        flows.sweep([])
        #expect(!flows.isInUse)
    }

    @Test func `a flow that took the ends of one whose end was lost has the admission of its own first packet`() throws {
        let flows = TestFlows()
        try flows.decide(key)
        flows.handle(.seen(TestFlows.sight(key, id: 1)))
        flows.pass(10)
        try flows.decide(key, "two.example.org")
        try flows.decide(TestFlows.key(5_001), "three.example.org")
        flows.handle(.seen(TestFlows.sight(key, id: 2)))
        #expect(flows.name(key) == "two.example.org" && flows.ended.count == 1)
        // Only of the entry that is shown next: one that comes later is of the last of its kind, whose verdict stands for it.
        flows.handle(.seen(TestFlows.sight(key, id: 2)))
        flows.handle(.seen(TestFlows.sight(key, id: 3)))
        #expect(flows.name(key) == "three.example.org")
    }

    // MARK: Restart

    @Test func `the next process knows of each live flow under what it was admitted`() throws {
        let flows = TestFlows()
        let v6 = FlowKey(
            source: IPAddress(v6Upper: 1 << 60, lower: 2), destination: IPAddress(v6Upper: 3, lower: 4), transport: .udp, sourcePort: 5,
            destinationPort: 6)
        try flows.decide(key, rule: String(repeating: "é", count: 200))
        flows.handle(.seen(TestFlows.sight(key, id: 77, bytes: 100)))
        try flows.decide(v6, "two.example.org")
        try flows.decide(TestFlows.key(9), "three.example.org")
        flows.handle(.seen(TestFlows.sight(TestFlows.key(9), id: 3)))
        flows.handle(.ended(TestFlows.sight(TestFlows.key(9), id: 3)))
        flows.handle(.seen(TestFlows.sight(TestFlows.key(10, transport: .udp), id: 4, client: EndpointID(rawValue: 5))))
        for _ in 0..<2 { flows.restart() }
        #expect(flows.flowCount == 3 && flows.counters.recovered == 3)
        let flow = try #require(flows.flow(key))
        #expect(flow.state == .live && flow.id == 77 && flow.start == Instant(seconds: 1_000) && flow.endpoint == TestFlows.client)
        #expect(flow.admission?.name?.description == "one.example.org" && flow.admission?.policyVersion == 7)
        #expect(flow.admission?.rule == String(repeating: "é", count: 127) && flow.admission?.reason == .policyAllow)
        #expect(flows.state(v6) == .admitted && flows.name(v6) == "two.example.org")
        #expect(flows.state(TestFlows.key(10, transport: .udp)) == .live && flows.name(TestFlows.key(10, transport: .udp)) == nil)
        #expect(flows.isInUse)
        // What it had sent before is not counted again, what it sends from now on is.
        flows.sweep([TestFlows.sight(key, id: 77, bytes: 500)])
        flows.sweep([TestFlows.sight(key, id: 77, bytes: 600)])
        #expect(flows.counters.traffic.bytesOut == 100 && flows.counters.began == 0)
        flows.handle(.ended(TestFlows.sight(key, id: 77, bytes: 700)))
        #expect(flows.ended.last?.traffic.bytesOut == 700 && flows.name(key) == nil)
    }

    @Test func `flows of another boot, layout or size are gone`() throws {
        let flows = TestFlows()
        try flows.decide(key)
        flows.restart(bootMark: 2)
        #expect(flows.flowCount == 0)
        try flows.decide(key)
        flows.restart(bootMark: 2)
        #expect(flows.flowCount == 1)
    }

    /// A header of 4096 bytes, then records of 640.
    @Test(arguments: [0, 4, 8, 12, 16, 32, 64, 72, 78, 79, 80, 81, 82, 84, 97, 353])
    func `a torn record is passed over, the others are taken over`(offset: Int) throws {
        let byteCount = FlowTable.byteCount(capacity: 4)
        let bytes = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 4096)
        unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
        defer { unsafe bytes.deallocate() }
        let memory = unsafe SharedMemory(base: bytes, byteCount: byteCount) {}
        func fact(_ port: UInt16) throws -> FlowEvent {
            .decided(
                FlowFact(
                    time: Instant(seconds: 1),
                    flow: FlowTuple(
                        source: key.source, destination: key.destination, transport: .tcp, sourcePort: port, destinationPort: 443),
                    isAllowed: true, isRedecision: false, admission: try TestFlows.admission("one.example.org")))
        }
        do {
            var table = FlowTable(memory, capacity: 4, bootMark: 1)
            for port: UInt16 in [1, 2] {
                let event = try fact(port)
                _ = table.handle(event, now: Instant(seconds: 1))
            }
        }
        for value: UInt8 in [0xff, 0x40] {
            unsafe bytes.storeBytes(of: value, toByteOffset: 4096 + offset, as: UInt8.self)
            let table = FlowTable(memory, capacity: 4, bootMark: 1)
            let kept = (table.flow(TestFlows.key(1)) != nil, table.flow(TestFlows.key(2))?.admission?.name?.description)
            #expect(kept == (false, "one.example.org"))
        }
    }

    @Test func `an entry of another zone with the same ends that was never decided ends no flow`() throws {
        let flows = TestFlows()
        let key = TestFlows.key(1_001)
        try flows.decide(key)
        flows.handle(.seen(TestFlows.sight(key, id: 1)))
        flows.pass(120)
        // In either order.
        flows.sweep([TestFlows.sight(key, id: 2, mark: .none), TestFlows.sight(key, id: 1)])
        flows.sweep([TestFlows.sight(key, id: 1), TestFlows.sight(key, id: 2, mark: .none)])
        #expect(flows.ended.isEmpty)
        #expect(flows.name(key) == "one.example.org")
        #expect(flows.redecided.isEmpty)
        // Where it has taken the place of the flow, the sweeps tell.
        flows.sweep([TestFlows.sight(key, id: 2, mark: .none)])
        flows.sweep([TestFlows.sight(key, id: 2, mark: .none)])
        #expect(flows.ended.count == 1)
        #expect(!flows.isInUse)
    }
}
