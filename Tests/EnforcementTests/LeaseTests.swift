import Enforcement
import EnforcementTesting
import NetworkTypes
import PolicyEngine
import Testing

/// For which verdicts the kernel is told to decide likewise.
struct LeaseTests {
    private static let opening = VerdictEngine.FlowState(isReply: false, wasAdmitted: false)

    private struct Bench: ~Copyable {
        let bindings: TestBindings
        let counters = VerdictCounters()
        let facts = Ring<FlowRecord>(capacity: 64, filler: .filler)
        var engine: VerdictEngine

        init(_ yaml: String, mode: VerdictEngine.Mode = .enforce, countMax: Int = 100) throws {
            bindings = try TestBindings(yaml)
            engine = VerdictEngine(
                policy: Published(bindings.policy), table: bindings.table, facts: facts, counters: counters, mode: mode,
                denyAction: .reject, leases: LeaseBudget(endpointsMax: 16, countMax: countMax))
        }

        mutating func decide(
            _ destination: String, _ transport: TransportProtocol = .tcp, from client: String = "web", seconds: UInt64 = 1,
            _ state: VerdictEngine.FlowState = LeaseTests.opening
        ) throws -> VerdictEngine.Verdict {
            let destination = address(destination)
            let source = try #require(
                bindings.policy.endpoints.first { $0.name == client }?.addresses.first { $0.family == destination.family })
            var flow = FlowTuple(
                source: source, destination: destination, transport: transport, sourcePort: 40_000, destinationPort: 443)
            if state.isReply {
                flow = FlowTuple(
                    source: destination, destination: source, transport: transport, sourcePort: 443, destinationPort: 40_000)
            }
            engine.beginBatch(now: Instant(seconds: seconds))
            return engine.decide(PacketBuilder.packet(flow).span, state)
        }
    }

    private static func policy(_ rules: String, more: String = "") -> String {
        """
        apiVersion: projectcalico.org/v3
        kind: GlobalNetworkPolicy
        metadata: {name: web, annotations: {exeat.io/deny-domains: "true"}}
        spec:
          selector: app == "web"
          types: [Egress]
          egress:
        \(rules)
        \(more)
        """
    }

    private static let byName = "    - {action: Allow, destination: {domains: [api.example.org]}}"

    /// Also by what later flows to the same destination would be decided otherwise, which is why they have to be asked about.
    @Test(arguments: [
        ("a name", byName, "", true),
        ("an address", "    - {action: Allow, destination: {nets: [192.0.2.0/24]}}", "", true),
        ("whatever is not an address", "    - {action: Deny, destination: {nets: [203.0.113.0/24]}}\n    - {action: Allow}", "", true),
        (
            "a source port stands in the rule",
            "    - {action: Allow, protocol: TCP, source: {ports: [40000]}, destination: {nets: [192.0.2.0/24]}}", "", false
        ),
        (
            "a source port stands in a rule before",
            "    - {action: Deny, protocol: TCP, source: {notPorts: ['1024:65535']}}\n" + byName, "", false
        ),
        ("a name is denied before", "    - {action: Deny, destination: {domains: [www.example.org]}}\n    - {action: Allow}", "", false),
        ("flows are logged", "    - {action: Log}\n" + byName, "", false),
        (
            "names keep destinations out",
            "    - {action: Allow, destination: {notSelector: 'kept == \"out\"'}}",
            """
            ---
            apiVersion: projectcalico.org/v3
            kind: GlobalNetworkSet
            metadata: {name: out, labels: {kept: out}}
            spec: {allowedEgressDomains: [www.example.org]}
            """, false
        ),
        (
            "a staged policy wants to see every flow", byName,
            """
            ---
            apiVersion: projectcalico.org/v3
            kind: StagedGlobalNetworkPolicy
            metadata: {name: staged}
            spec: {selector: 'app == "web"', types: [Egress], order: 1, egress: [{action: Deny}]}
            """, false
        ),
        (
            "names are kept exclusively", byName,
            """
            ---
            apiVersion: projectcalico.org/v3
            kind: GlobalNetworkPolicy
            metadata: {name: own, annotations: {exeat.io/exclusive: "true"}}
            spec: {selector: 'app == "job"', types: [Egress], egress: [{action: Allow, destination: {domains: [www.example.org]}}]}
            """, false
        ),
    ])
    func `a lease is asked for where the verdict speaks for every flow to the destination`(
        row: (title: String, rules: String, more: String, isLeased: Bool)
    ) throws {
        var bench = try Bench(Self.policy(row.rules, more: row.more))
        try bench.bindings.learn("api.example.org", "192.0.2.1", ttl: 100)
        let verdict = try bench.decide("192.0.2.1")
        #expect(verdict == (row.isLeased ? .lease(generation: 0) : .allow(generation: 0)), "\(row.title)")
        let asked = bench.counters.leases(isGranted: true)
        #expect(asked == (row.isLeased ? 1 : 0), "\(row.title)")
    }

    @Test func `no lease is asked for that would outlive the binding`() throws {
        var bench = try Bench(Self.policy(Self.byName))
        // With the grace it ends at 100 seconds.
        try bench.bindings.learn("api.example.org", "192.0.2.1", ttl: 90)
        for (seconds, isLeased) in [(1, true), (89, true), (90, false), (99, false)] as [(UInt64, Bool)] {
            let verdict = try bench.decide("192.0.2.1", seconds: seconds)
            #expect(verdict == (isLeased ? .lease(generation: 0) : .allow(generation: 0)), "at \(seconds) s")
        }
    }

    @Test func `only a new flow of TCP, UDP or SCTP asks, and nothing that is denied`() throws {
        var bench = try Bench(Self.policy(Self.byName))
        try bench.bindings.learn("api.example.org", "192.0.2.1", ttl: 100)
        for (transport, isLeased) in [
            (TransportProtocol.tcp, true), (.udp, true), (.sctp, true), (.icmp, false), (.udpLite, false), (.gre, false),
        ] {
            let verdict = try bench.decide("192.0.2.1", transport)
            #expect(verdict == (isLeased ? .lease(generation: 0) : .allow(generation: 0)), "\(transport)")
        }
        for state in [
            VerdictEngine.FlowState(isReply: true, wasAdmitted: true), .init(isReply: true, wasAdmitted: false),
            .init(isReply: false, wasAdmitted: true),
        ] {
            let verdict = try bench.decide("192.0.2.1", .tcp, state)
            #expect(verdict == .allow(generation: 0))
        }
        let denied = try bench.decide("192.0.2.9")
        #expect(denied == .reject)
        let asked = bench.counters.leases(isGranted: true)
        #expect(asked == 3)
        // What only audit mode lets pass is no verdict either.
        var audit = try Bench(Self.policy(Self.byName), mode: .audit)
        let passed = try audit.decide("192.0.2.9")
        #expect(passed == .allow(generation: 0))
    }

    @Test func `an endpoint gets so many leases in a while and no more, whatever others take`() throws {
        var bench = try Bench(Self.policy("    - {action: Allow}"), countMax: 3)
        for (second, leased) in [(20, 3), (21, 0), (29, 0), (30, 3)] as [(UInt64, Int)] {
            var count = 0
            for number in 0..<5 {
                if case .lease = try bench.decide("192.0.2.\(number)", seconds: second) { count += 1 }
            }
            #expect(count == leased, "at \(second) s")
        }
        let (granted, refused) = (bench.counters.leases(isGranted: true), bench.counters.leases(isGranted: false))
        #expect(granted == 6 && refused == 14)
        let other = try bench.decide("192.0.2.1", from: "db", seconds: 30)
        #expect(other == .lease(generation: 0))
    }
}
