import Enforcement
import NetworkTypes
import PolicyEngine
import Testing

struct DNSGateTests {
    private static func gate(_ limits: BindingLimits = .small, rebinding: RebindingGuard = RebindingGuard()) throws -> DNSGate {
        let bindings = try TestBindings(limits: limits)
        let allowed = ["203.0.113.0/24", "127.0.0.1/32"].compactMap { IPPrefix(parsing: $0) }
        return DNSGate(names: bindings.names, policy: bindings.policy, rebinding: rebinding, allowedSources: allowed)
    }

    @Test(arguments: [
        ("198.51.100.1", .endpoint(TestPolicy.web)), ("2001:db8:64::2", .endpoint(TestPolicy.db)), ("::ffff:198.51.100.3", .endpoint(TestPolicy.job)),
        ("203.0.113.9", .unpoliced), ("::ffff:127.0.0.1", .unpoliced), ("198.51.100.4", nil), ("127.0.0.2", nil), ("::1", nil),
    ] as [(String, DNSClient?)])
    func `who may ask is an endpoint or a source that is allowed`(row: (String, DNSClient?)) throws {
        var gate = try Self.gate()
        #expect(gate.client(at: address(row.0)) == row.1)
    }

    @Test func `an answer is released with a TTL no longer than the lease`() throws {
        var gate = try Self.gate()
        let released = gate.learn(
            try name("a.example.org"), addresses: [address("192.0.2.1")], timeToLiveSeconds: 1_000_000, client: .endpoint(TestPolicy.web),
            now: Instant(seconds: 0))
        #expect(released == .release(timeToLiveCapSeconds: 100))
        #expect(gate.names.bindingCount == 1)
        let unpoliced = gate.learn(
            try name("a.example.org"), addresses: [address("10.0.0.1")], timeToLiveSeconds: 5, client: .unpoliced, now: Instant(seconds: 0))
        #expect(unpoliced == .release(timeToLiveCapSeconds: 100))
        #expect(gate.names.bindingCount == 1)
    }

    @Test func `every refusal has its reason and is counted`() throws {
        var limits = BindingLimits.small
        (limits.addressesPerName, limits.namesPerClient, limits.bindingsPerClient) = (2, 2, 3)
        var gate = try Self.gate(limits)
        func learn(_ text: String, _ addresses: [String], _ client: EndpointID = TestPolicy.web) throws -> AnswerRelease {
            gate.learn(
                try name(text), addresses: addresses.map { address($0) }, timeToLiveSeconds: 5, client: .endpoint(client),
                now: Instant(seconds: 0))
        }
        #expect(try learn("a.example.org", ["192.0.2.1", "10.0.0.1"]) == .refuse(.rebinding))
        #expect(gate.names.bindingCount == 0)
        #expect(try learn("a.example.org", ["192.0.2.1", "192.0.2.2", "192.0.2.3"]) == .refuse(.addressesPerNameFull))
        #expect(try learn("b.example.org", ["192.0.2.1", "192.0.2.2"]) == .refuse(.bindingsFull))
        #expect(try learn("c.example.org", ["192.0.2.1"]) == .refuse(.namesPerClientFull))
        #expect(try learn("a.example.org", ["192.0.2.1"], EndpointID(rawValue: 9)) == .refuse(.unknownClient))
        #expect(gate.refusals == [1, 1, 1, 1, 1])
    }

    @Test func `a tick lets leases end and a new policy changes who may ask`() throws {
        var bindings = try TestBindings()
        try bindings.learn("a.example.org", "192.0.2.1", ttl: 10)
        let left = TestPolicy.endpoints.filter { $0.name != "db" }
        let after = try TestPolicy.compile(TestPolicy.allow("a.example.org"), &bindings.compiler, endpoints: left)
        let policy = bindings.policy
        var gate = DNSGate(names: bindings.names, policy: policy, rebinding: RebindingGuard(), allowedSources: [])
        gate.tick(now: Instant(seconds: 20))
        #expect(gate.names.bindingCount == 1)
        gate.tick(now: Instant(seconds: 21))
        #expect(gate.names.bindingCount == 0)
        #expect(gate.client(at: address("198.51.100.2")) == .endpoint(TestPolicy.db))
        gate.adopt(after)
        gate.settle()
        #expect(gate.client(at: address("198.51.100.2")) == nil)
        #expect(gate.client(at: address("198.51.100.1")) == .endpoint(TestPolicy.web))
    }
}
