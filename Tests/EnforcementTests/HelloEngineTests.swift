import DomainNames
import Enforcement
import NetworkTypes
import PolicyEngine
import Testing

struct HelloEngineTests {
    /// One thread of hellos over a NameTable with an index, and requests of HTTP out of `web`.
    private final class Node {
        var names: NameTable
        var engine: HelloEngine
        var first: VerdictEngine
        let table: AddressTable
        let counters = HelloCounters()
        let verified: VerifiedNames
        private let memory: (store: SharedMemory, index: SharedMemory, verified: SharedMemory)
        private var nextPort: UInt16 = 40_000

        init(_ domains: String = "'*.example.org'", value: String = "require", indexed: Int = 64, limits: BindingLimits = .small) throws {
            var compiler = PolicyCompiler()
            let yaml = TestPolicy.allow(domains).replacing(
                "metadata: {name: p}", with: "metadata: {name: p, annotations: {exeat.io/verify-name: \(value)}}")
            let compiled = try TestPolicy.compile(yaml, &compiler)
            let policy = compiled.withGenerations(compiled.endpoints.map { _ in 9 })
            let memory = (
                store: SharedMemory(byteCount: BindingStore.byteCount(capacity: limits.bindings)),
                index: SharedMemory(byteCount: NameIndex.byteCount(capacity: indexed)),
                verified: SharedMemory(byteCount: VerifiedNames.byteCount(flows: 16))
            )
            let table = AddressTable(slots: 4_096, seed: (1, 2))
            self.memory = memory
            self.table = table
            let store = BindingStore(memory.store, capacity: limits.bindings, bootMark: 1)
            let index = NameIndex(memory.index, seed: (5, 6))
            names = NameTable(limits: limits, table: table, store: store, index: index, policy: policy, now: Instant(seconds: 0))
            verified = VerifiedNames(memory.verified, flows: 16, bootMark: 1, seed: (5, 6))
            let seen = SeenNames(index: index, verified: verified, store: store)
            engine = HelloEngine(
                policy: Published(policy), table: table, names: seen, records: Ring(capacity: 16, filler: .filler),
                verdicts: VerdictCounters(), counters: counters, mode: .enforce, denyAction: .reject,
                resets: Ring(capacity: 16, filler: .filler))
            first = VerdictEngine(
                policy: Published(policy), table: table, facts: Ring(capacity: 16, filler: .filler), counters: VerdictCounters(),
                mode: .enforce, denyAction: .reject, leases: LeaseBudget(endpointsMax: 16, countMax: 100), names: seen)
        }

        /// The verdict on the SYN of a connection from this port that no lease lets in.
        func opening(_ port: UInt16, sequence: UInt32, _ payload: [UInt8] = [], at seconds: UInt64 = 0) -> VerdictEngine.Verdict {
            first.beginBatch(now: Instant(seconds: seconds))
            return first.decide(
                Self.segment(port, sequence: sequence, flags: 2, payload).span, VerdictEngine.FlowState(isReply: false, wasAdmitted: false))
        }

        func learn(_ name: String, client: EndpointID = TestPolicy.web, at seconds: UInt64 = 0) throws {
            let result = names.learn(
                try domain(name), [address("192.0.2.1")], timeToLiveSeconds: 20, client: client, now: Instant(seconds: seconds))
            if case .failure(let fullness) = result { Issue.record("\(fullness)") }
        }

        /// The verdict on a whole request for this host.
        func request(_ host: String, at seconds: UInt64 = 0, synData: Bool = false) -> HelloVerdict {
            nextPort += 1
            engine.beginBatch(now: Instant(seconds: seconds))
            let request = Array("GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n".utf8)
            let opening = Self.segment(nextPort, sequence: 99, flags: 2, synData ? request : [])
            let first = engine.decide(opening.span, packet: 1, isReply: false, isAggregate: false)
            guard !synData, first == .leave else { return first }
            return engine.decide(
                Self.segment(nextPort, sequence: 100, flags: 0x18, request).span, packet: 2, isReply: false, isAggregate: false)
        }

        /// Whether a good name is remembered for the port from which the last request came.
        func remembersName() -> Bool {
            let flow = FlowKey(
                source: address("198.51.100.1"), destination: address("192.0.2.1"), transport: .tcp, sourcePort: nextPort,
                destinationPort: 80)
            return verified.place(of: flow) != nil
        }

        /// The next request comes from the same port as the last.
        func reusePort() { nextPort -= 1 }

        /// The verdict on one segment of a connection from this port.
        func segment(_ port: UInt16, sequence: UInt32, flags: UInt8, _ payload: [UInt8] = []) -> HelloVerdict {
            engine.decide(
                Self.segment(port, sequence: sequence, flags: flags, payload).span, packet: 3, isReply: false, isAggregate: false)
        }

        /// From 198.51.100.1 to port 80 of 192.0.2.1.
        private static func segment(_ port: UInt16, sequence: UInt32, flags: UInt8, _ payload: [UInt8]) -> [UInt8] {
            let length = 40 + payload.count
            var bytes: [UInt8] = [0x45, 0, UInt8(length >> 8), UInt8(length & 255), 0, 1, 0, 0, 64, 6, 0, 0, 198, 51, 100, 1, 192, 0, 2, 1]
            bytes += [UInt8(port >> 8), UInt8(port & 255), 0, 80]
            bytes += (0..<4).map { UInt8(truncatingIfNeeded: sequence >> UInt32(24 - 8 * $0)) }
            return bytes + [0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0] + payload
        }
    }

    @Test func `only a name under which this client holds the address is good`() throws {
        let node = try Node()
        try node.learn("api.example.org")
        try node.learn("sibling.example.org", client: TestPolicy.db)
        #expect(node.request("api.example.org") == .allow(generation: 9))
        #expect(node.request("API.example.org") == .allow(generation: 9))
        // The wildcard covers it, and another client holds it.
        #expect(node.request("sibling.example.org") == .revoke)
        #expect(node.request("stranger.test") == .revoke)
        try node.learn("sibling.example.org")
        #expect(node.request("sibling.example.org") == .allow(generation: 9))
        let (good, bad) = (node.counters[.match], node.counters[.mismatch])
        #expect(good == 3 && bad == 2)
    }

    @Test func `a name whose binding is over is good as long as its address drains`() throws {
        let node = try Node()
        try node.learn("api.example.org")
        node.table.noteAdmission(TestPolicy.web, address("192.0.2.1"), now: Instant(seconds: 10))
        node.names.sweep(.max, now: Instant(seconds: 40))
        #expect(node.request("api.example.org", at: 40) == .allow(generation: 9))
        #expect(node.request("sibling.example.org", at: 40) == .revoke)
        for began in [100, 200] as [UInt64] { node.names.releaseDraining(sweepBegan: Instant(seconds: began)) { _, _ in false } }
        #expect(node.request("api.example.org", at: 300) == .revoke)
    }

    @Test func `what finds no room in the index is counted and cannot be confirmed`() throws {
        // More names than the smallest index has places.
        let count = 1_500
        var limits = BindingLimits.small
        limits.bindings = count
        limits.bindingsPerClient = count
        limits.namesPerClient = count
        let node = try Node(indexed: 1, limits: limits)
        for number in 0..<count { try node.learn("n\(number).example.org") }
        let unindexed = node.names.counters.unindexed
        #expect(unindexed > 0)
        var refused: UInt64 = 0
        for number in 0..<count where node.request("n\(number).example.org") == .revoke { refused += 1 }
        #expect(refused == unindexed)
    }

    @Test func `with observe the good name of a connection is not taken for that of the next from the same port`() throws {
        let node = try Node(value: "observe")
        try node.learn("api.example.org")
        #expect(node.request("api.example.org") == .allow(generation: 9))
        #expect(node.remembersName())
        node.reusePort()
        #expect(node.request("stranger.test") == .allow(generation: 9))
        #expect(!node.remembersName())
    }

    @Test
    func `a SYN whose hello is only observed asks for a lease, if its name lives long enough, and one whose hello is required does not`()
        throws
    {
        let node = try Node(value: "observe")
        try node.learn("api.example.org")
        #expect(node.opening(7, sequence: 99) == .observe(generation: 9, isLeased: true))
        #expect(node.opening(8, sequence: 99, [0]) == .pending)
        // It lives for 30 seconds.
        #expect(node.opening(9, sequence: 99, at: 20) == .observe(generation: 9, isLeased: false))
        let strict = try Node()
        try strict.learn("api.example.org")
        #expect(strict.opening(7, sequence: 99) == .pending)
    }

    @Test func `where the SYN went by a lease the first data begins the stream, whatever the connection before had for a number`() throws {
        let node = try Node(value: "observe")
        try node.learn("api.example.org")
        let request = Array("GET / HTTP/1.1\r\nHost: api.example.org\r\n\r\n".utf8)
        node.engine.beginBatch(now: Instant(seconds: 0))
        // In order or not: the number of its SYN is known.
        #expect(node.opening(7, sequence: 99) == .observe(generation: 9, isLeased: true))
        #expect(node.segment(7, sequence: 110, flags: 0x18, Array(request[10...])) == .leave)
        #expect(node.segment(7, sequence: 100, flags: 0x18, Array(request[..<10])) == .allow(generation: 9))
        // The next from its port: nobody has seen its SYN.
        for (seconds, sequence) in [(2, 5_000_000), (4, 50)] as [(UInt64, UInt32)] {
            node.engine.beginBatch(now: Instant(seconds: seconds))
            #expect(node.segment(7, sequence: sequence, flags: 0x18, request) == .allow(generation: 9))
        }
        let (match, unreadable) = (node.counters[.match], node.counters[.unreadable])
        #expect(match == 3 && unreadable == 0, "\(match) \(unreadable)")
    }

    @Test func `with require data of a SYN does not leave, nor a second SYN, nor an urgent pointer`() throws {
        let node = try Node()
        try node.learn("api.example.org")
        #expect(node.request("api.example.org", synData: true) == .drop)
        #expect(node.segment(7, sequence: 99, flags: 2) == .leave)
        #expect(node.segment(7, sequence: 140, flags: 2) == .drop)
        #expect(node.segment(7, sequence: 99, flags: 2) == .leave)
        #expect(node.segment(7, sequence: 100, flags: 0x30) == .revoke)
        let unreadable = node.counters[.unreadable]
        #expect(unreadable == 1)
        let lenient = try Node(value: "observe")
        try lenient.learn("api.example.org")
        #expect(lenient.request("api.example.org", synData: true) == .allow(generation: 9))
    }
}
