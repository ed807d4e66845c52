import CAllocationCounter
import Enforcement
import EnforcementTesting
import NetworkTypes
import PolicyEngine
import Testing

struct HotPathTests {
    /// Good packets only: for every error that is thrown the testing library keeps a backtrace, which allocates.
    @Test(arguments: [
        ("a name allows IPv4", "web", "192.0.2.1", VerdictReason.policyAllow), ("a name allows IPv6", "web", "2001:db8::1", .policyAllow),
        ("no name", "web", "192.0.2.2", .addressNotResolved), ("a set of networks denies", "web", "203.0.113.7", .policyDeny),
        ("the tier denies", "job", "2001:db8::1", .addressNotResolved), ("unselected", "db", "192.0.2.1", .noPolicy),
        ("a stranger", "", "192.0.2.1", .unknownEndpoint),
    ])
    func `ten thousand packets are decided without an allocation`(
        row: (title: String, client: String, destination: String, reason: VerdictReason)
    ) throws {
        let yaml = """
            apiVersion: projectcalico.org/v3
            kind: GlobalNetworkPolicy
            metadata: {name: web}
            spec:
              selector: app == "web"
              types: [Egress]
              egress:
                - {action: Deny, destination: {nets: [203.0.113.0/25, 203.0.113.200/32]}}
                - {action: Allow, protocol: TCP, destination: {domains: [api.example.org, "*.example.net"], ports: [80, 443]}}
            ---
            apiVersion: projectcalico.org/v3
            kind: GlobalNetworkPolicy
            metadata: {name: job}
            spec: {selector: app == "job", types: [Egress], egress: [{action: Allow, destination: {domains: [www.example.org]}}, {action: Log}]}
            """
        let bindings = try TestBindings(yaml)
        try bindings.learn("api.example.org", "192.0.2.1", "2001:db8::1", ttl: 100)
        let counters = VerdictCounters()
        let facts = Ring<FlowRecord>(capacity: 64, filler: .filler)
        let resets = Ring<FlowReset>(capacity: 64, filler: .filler)
        let published = Published(bindings.policy)
        var engine = VerdictEngine(
            policy: published, table: bindings.table, facts: facts, counters: counters, mode: .enforce, denyAction: .reject,
            leases: LeaseBudget(endpointsMax: 16), resets: resets)
        let destination = address(row.destination)
        let source = bindings.policy.endpoints.first { $0.name == row.client }?.addresses.first { $0.family == destination.family }
        let packet = PacketBuilder.packet(
            FlowTuple(
                source: source ?? address("198.51.100.77"), destination: destination, transport: .tcp, sourcePort: 40_000,
                destinationPort: 443))
        // Once before it counts: what is made at first use is made then.
        engine.beginBatch(now: Instant(seconds: 1))
        _ = engine.decide(packet.span, VerdictEngine.FlowState(isReply: false, wasAdmitted: false))
        _ = facts.popFirst()
        let before = exeat_allocations_of_this_thread()
        var places = 0
        for number in 0..<10_000 {
            if number % 32 == 0 { engine.beginBatch(now: Instant(seconds: 1)) }
            if unsafe engine.firstPlace(of: packet.span, isReply: false) != nil { places += 1 }
            // Every other one is a flow that is decided again: allowed, or revoked and reset.
            _ = engine.decide(packet.span, VerdictEngine.FlowState(isReply: false, wasAdmitted: number % 2 == 0))
            _ = facts.popFirst()
            _ = resets.popFirst()
        }
        let after = exeat_allocations_of_this_thread()
        #expect(after == before, "\(row.title): \(after - before) allocations")
        #expect(counters.count(of: row.reason) == 10_001, "\(row.title)")
        #expect(places == (row.client.isEmpty ? 0 : 10_000), "\(row.title)")
        // 4,096 leases are granted, the rest refused; each is one path of the code.
        let (granted, refused) = (counters.leases(isGranted: true), counters.leases(isGranted: false))
        if row.reason != .noPolicy {
            let isAllowed = row.reason == .policyAllow
            #expect(granted == (isAllowed ? 4_096 : 0) && refused == (isAllowed ? 905 : 0), "\(row.title)")
        }
        let isRevoked = row.reason != .policyAllow && row.reason != .noPolicy && row.reason != .unknownEndpoint
        #expect(counters.revocations == (isRevoked ? 5_000 : 0), "\(row.title)")
    }

    @Test func `lookups in the table allocate nothing`() throws {
        let bindings = try TestBindings()
        try bindings.learn("a.example.org", "192.0.2.1")
        let (table, bound, other) = (bindings.table, address("192.0.2.1"), address("192.0.2.2"))
        let before = exeat_allocations_of_this_thread()
        var found = 0
        for _ in 0..<10_000 {
            if table.isBound(TestPolicy.web, to: bound, number: anyName, now: Instant(seconds: 1), liveness: .live) { found += 1 }
            if table.isBound(TestPolicy.web, to: other, number: anyName, now: Instant(seconds: 1), liveness: .live) { found += 1 }
            table.noteAdmission(TestPolicy.web, bound, now: Instant(seconds: 1))
            if table.record(TestPolicy.web, bound, anyName) != nil { found += 1 }
        }
        #expect(exeat_allocations_of_this_thread() == before)
        #expect(found == 20_000)
    }
}
