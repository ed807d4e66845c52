import Dispatch
import Enforcement
import NetworkTypes
import PolicyEngine
import Testing

struct DNSGateTests {
    private static func gate(_ limits: BindingLimits = .small) throws -> TestGate {
        var compiler = PolicyCompiler()
        let policy = try TestPolicy.compile(TestPolicy.allow("'*.example.org'"), &compiler)
        let store = BindingStore(
            SharedMemory(byteCount: BindingStore.byteCount(capacity: limits.bindings)), capacity: limits.bindings, bootMark: 1)
        let names = NameTable(
            limits: limits, table: AddressTable(slots: 1_024, seed: (1, 2)), store: store, policy: policy, now: Instant(seconds: 0))
        let allowed = ["203.0.113.0/24", "127.0.0.1/32"].compactMap { IPPrefix(parsing: $0) }
        return TestGate(DNSGate(names: names, policy: policy, rebinding: RebindingGuard(), allowedSources: allowed))
    }

    /// A reference, so that expectations may speak of it.
    private final class TestGate: @unchecked Sendable {
        var gate: DNSGate
        init(_ gate: consuming DNSGate) { self.gate = gate }

        func learn(
            _ text: String, _ addresses: String..., ttl: UInt32 = 5, client: DNSClient = .endpoint(TestPolicy.web)
        ) throws -> AnswerRelease {
            gate.learn(
                try domain(text), addresses: addresses.map { address($0) }, timeToLiveSeconds: ttl, client: client, now: Instant(seconds: 0)
            )
        }

        func client(_ text: String) -> DNSClient? { gate.client(at: address(text)) }
        var bindingCount: Int { gate.names.bindingCount }
        var era: UInt32? { gate.era }
    }

    @Test(
        arguments: [
            ("198.51.100.1", .endpoint(TestPolicy.web)), ("2001:db8:64::2", .endpoint(TestPolicy.db)),
            ("::ffff:198.51.100.3", .endpoint(TestPolicy.job)),
            ("203.0.113.9", .unpoliced), ("::ffff:127.0.0.1", .unpoliced), ("198.51.100.4", nil), ("127.0.0.2", nil), ("::1", nil),
        ] as [(String, DNSClient?)])
    func `who may ask is an endpoint or a source that is allowed`(row: (String, DNSClient?)) throws {
        #expect(try Self.gate().client(row.0) == row.1)
    }

    @Test func `an answer is released with a TTL no longer than the lease`() throws {
        let gate = try Self.gate()
        #expect(try gate.learn("a.example.org", "192.0.2.1", ttl: 1_000_000) == .release(timeToLiveCapSeconds: 100))
        #expect(gate.bindingCount == 1)
        #expect(try gate.learn("a.example.org", "10.0.0.1", client: .unpoliced) == .release(timeToLiveCapSeconds: 100))
        #expect(gate.bindingCount == 1)
    }

    @Test func `every refusal has its reason and is counted`() throws {
        var limits = BindingLimits.small
        (limits.addressesPerName, limits.namesPerClient, limits.bindingsPerClient) = (2, 2, 3)
        let gate = try Self.gate(limits)
        #expect(try gate.learn("a.example.org", "192.0.2.1", "10.0.0.1") == .refuse(.rebinding))
        #expect(gate.bindingCount == 0)
        #expect(try gate.learn("a.example.org", "192.0.2.1", "192.0.2.2", "192.0.2.3") == .refuse(.addressesPerNameFull))
        #expect(gate.bindingCount == 0)
        #expect(try gate.learn("a.example.org", "192.0.2.1", "192.0.2.2") == .release(timeToLiveCapSeconds: 100))
        #expect(try gate.learn("b.example.org", "192.0.2.1", "192.0.2.2") == .refuse(.bindingsFull))
        #expect(try gate.learn("c.example.org", "192.0.2.1") == .refuse(.namesPerClientFull))
        #expect(try gate.learn("a.example.org", "192.0.2.1", client: .endpoint(EndpointID(rawValue: 9))) == .refuse(.unknownClient))
        #expect(gate.gate.names.refusals == [1, 1, 1, 1, 1, 0, 0, 0])
    }

    @Test func `names that policy denies or keeps for others are refused when they are asked for`() throws {
        var compiler = PolicyCompiler()
        let policy = try TestPolicy.compile(
            """
            apiVersion: projectcalico.org/v3
            kind: GlobalNetworkPolicy
            metadata: {name: denies, annotations: {exeat.io/deny-domains: "true"}}
            spec:
              selector: app == "web"
              types: [Egress]
              egress:
                - {action: Allow, protocol: TCP, destination: {domains: [good.example.net], ports: [443]}}
                - {action: Deny, destination: {domains: ["*.example.net"]}}
                - {action: Allow}
            ---
            apiVersion: projectcalico.org/v3
            kind: GlobalNetworkPolicy
            metadata: {name: keeps, annotations: {exeat.io/exclusive: "true"}}
            spec: {selector: app == "db", types: [Egress], egress: [{action: Allow, destination: {domains: [vault.example.org]}}]}
            """, &compiler)
        let limits = BindingLimits.small
        let names = NameTable(
            limits: limits, table: AddressTable(slots: 1_024, seed: (1, 2)),
            store: BindingStore(
                SharedMemory(byteCount: BindingStore.byteCount(capacity: limits.bindings)), capacity: limits.bindings, bootMark: 1),
            policy: policy, now: Instant(seconds: 0))
        var gate = DNSGate(names: names, policy: policy, rebinding: RebindingGuard(isEnabled: false), allowedSources: [])
        let refusesNames = gate.refusesNames
        #expect(refusesNames)
        func refusal(_ name: String, _ client: DNSClient) throws -> NameRefusal? { gate.refusal(of: try domain(name), client: client) }
        let (web, db, job) = (DNSClient.endpoint(TestPolicy.web), DNSClient.endpoint(TestPolicy.db), DNSClient.endpoint(TestPolicy.job))
        #expect(try refusal("bad.example.net", web) == NameRefusal(.deniedName, rule: "default|denies|egress[1]|Deny"))
        #expect(try refusal("good.example.net", web) == nil)
        #expect(try refusal("bad.example.net", db) == nil)
        #expect(try refusal("vault.example.org", web)?.reason == .exclusiveName)
        #expect(try refusal("vault.example.org", web)?.rule?.contains("keeps") == true)
        #expect(try refusal("vault.example.org", job)?.reason == .exclusiveName)
        #expect(try refusal("vault.example.org", db) == nil)
        #expect(try refusal("vault.example.org", .unpoliced) == nil)
        let refusals = gate.names.refusals
        #expect(refusals == [0, 0, 0, 0, 0, 1, 3, 0])
    }

    @Test func `under query policy allowed only names are asked for that a rule could allow`() throws {
        func refused(_ annotation: String, _ rules: String, options: PolicyOptions = PolicyOptions()) throws -> [String] {
            var compiler = PolicyCompiler(options)
            let policy = try TestPolicy.compile(
                """
                apiVersion: projectcalico.org/v3
                kind: GlobalNetworkPolicy
                metadata: {name: queries, annotations: {\(annotation)}}
                spec:
                  selector: app == "web"
                  types: [Egress]
                  egress: [{action: Allow, destination: {domains: ["*.example.org"]}}, \(rules)]
                """, &compiler)
            let limits = BindingLimits.small
            let names = NameTable(
                limits: limits, table: AddressTable(slots: 1_024, seed: (1, 2)),
                store: BindingStore(
                    SharedMemory(byteCount: BindingStore.byteCount(capacity: limits.bindings)), capacity: limits.bindings, bootMark: 1),
                policy: policy, now: Instant(seconds: 0))
            var gate = DNSGate(names: names, policy: policy, rebinding: RebindingGuard(isEnabled: false), allowedSources: [])
            let refusesNames = gate.refusesNames
            var refused: [String] = []
            for name in ["www.example.org", "www.example.net", "db.shop.svc.cluster.local"] {
                let found = gate.refusal(of: try domain(name), client: .endpoint(TestPolicy.web))
                let ofOther = gate.refusal(of: try domain(name), client: .endpoint(TestPolicy.db))
                #expect(ofOther == nil && (found == nil || (refusesNames && found == NameRefusal(.notAllowedName))))
                if found != nil { refused.append(name) }
            }
            return refused
        }
        let (allowed, both) = ("exeat.io/query-policy: allowed", ["www.example.net", "db.shop.svc.cluster.local"])
        let nets = "{action: Allow, destination: {nets: [10.0.0.0/8]}}"
        #expect(try refused("", nets) == [])
        #expect(try refused(allowed, nets) == both)
        #expect(try refused(allowed, "{action: Allow, protocol: UDP, destination: {ports: [53]}}") == both)
        #expect(try refused(allowed, "{action: Deny}, {action: Allow}") == both)
        #expect(try refused(allowed, "{action: Allow, protocol: TCP, destination: {ports: [22]}}") == [])
        #expect(try refused(allowed, "{action: Pass, protocol: TCP}") == [], "what is passed on no policy decides: it is allowed")
        var options = PolicyOptions(queryPolicy: .allowed)
        // Those whom no policy selects may reach anything.
        #expect(try refused("", nets, options: options) == both)
        #expect(try refused("exeat.io/query-policy: any", nets, options: options) == [])
        options.queryExemptZones = [try domain("cluster.local")]
        #expect(try refused("", nets, options: options) == ["www.example.net"])
    }

    @Test func `a tick lets leases end and a new policy changes who may ask`() throws {
        let gate = try Self.gate()
        _ = try gate.learn("a.example.org", "192.0.2.1", ttl: 10)
        gate.gate.tick(now: Instant(seconds: 20))
        #expect(gate.bindingCount == 1)
        gate.gate.tick(now: Instant(seconds: 21))
        #expect(gate.bindingCount == 0)
        #expect(gate.client("198.51.100.2") == .endpoint(TestPolicy.db))
        let left = TestPolicy.endpoints.filter { $0.name != "db" }
        var compiler = PolicyCompiler()
        gate.gate.adopt(try TestPolicy.compile(TestPolicy.allow("a.example.org"), &compiler, endpoints: left))
        gate.gate.settle()
        #expect(gate.client("198.51.100.2") == nil)
        #expect(gate.client("198.51.100.1") == .endpoint(TestPolicy.web))
    }

    @Test func `an era lasts while bindings are only added`() throws {
        var limits = BindingLimits.small
        limits.addressesPerName = 2
        let gate = try Self.gate(limits)
        func changes(_ body: () throws -> Void) throws -> Bool {
            let before = try #require(gate.era)
            try body()
            return gate.era != before
        }
        #expect(try !changes { _ = try gate.learn("a.example.org", "192.0.2.1", "192.0.2.2") })
        #expect(try !changes { _ = try gate.learn("a.example.org", "192.0.2.1", ttl: 9) })
        #expect(try !changes { _ = try gate.learn("b.example.org", "192.0.2.1", "10.0.0.1") }, "refused")
        #expect(try changes { _ = try gate.learn("a.example.org", "192.0.2.3") }, "one had to make room")
        #expect(try changes { gate.gate.tick(now: Instant(seconds: 1)) })
        #expect(try changes { gate.gate.settle() })
        #expect(try changes { gate.gate.releaseDraining(sweepBegan: Instant(seconds: 1)) { _, _ in false } })
        let another = TestGate(gate.gate.another())
        #expect(another.era == gate.era)
        #expect(try !changes { another.gate.tick(now: Instant(seconds: 1)) }, "one of them sees to the table")
        #expect(try changes { _ = try another.learn("a.example.org", "192.0.2.4") }, "every gate sees what any withdraws")
    }

    @Test func `gates of several workers have one table, and each learns of a new policy`() throws {
        let gate = try Self.gate()
        let another = TestGate(gate.gate.another())
        _ = try another.learn("a.example.org", "192.0.2.1")
        _ = try gate.learn("a.example.org", "192.0.2.1", client: .endpoint(TestPolicy.job))
        #expect(gate.bindingCount == 2 && another.bindingCount == 2)
        #expect(try another.learn("b.example.org", "10.0.0.1") == .refuse(.rebinding))
        #expect(gate.gate.names.refusals.reduce(0, +) == 1)
        var compiler = PolicyCompiler()
        let left = TestPolicy.endpoints.filter { $0.name != "web" }
        let policy = try TestPolicy.compile(TestPolicy.allow("a.example.org"), &compiler, endpoints: left)
        gate.gate.adopt(policy)
        #expect(another.client("198.51.100.1") == .endpoint(TestPolicy.web), "it has not been told")
        #expect(try another.learn("a.example.org", "192.0.2.9") == .refuse(.unknownClient), "the table knows")
        another.gate.follow(policy)
        #expect(another.client("198.51.100.1") == nil)
        #expect(gate.bindingCount == 1)
    }

    /// Whatever the order, nothing is lost and the counts are right.
    @Test func `gates on several threads learn while the first sweeps`() throws {
        var limits = BindingLimits.small
        (limits.addressesPerName, limits.namesPerClient, limits.bindingsPerClient, limits.bindings) = (64, 1_024, 1_024, 4_096)
        let gate = try Self.gate(limits)
        let clients = [TestPolicy.web, TestPolicy.db, TestPolicy.job]
        let gates = clients.map { _ in TestGate(gate.gate.another()) }
        let names = try (0..<50).map { try domain("n\($0).example.org") }
        DispatchQueue.concurrentPerform(iterations: 4) { number in
            guard number < 3 else {
                for second in 0..<200 { gate.gate.tick(now: Instant(seconds: UInt64(second % 4))) }
                return
            }
            for round in 0..<20 {
                for (index, name) in names.enumerated() {
                    let address = IPAddress(v4: 0xc000_0200 + UInt32(index))
                    let release = gates[number].gate.learn(
                        name, addresses: [address], timeToLiveSeconds: UInt32(10 + round), client: .endpoint(clients[number]),
                        now: Instant(seconds: 0))
                    if case .refuse(let reason) = release { Issue.record("\(reason)") }
                }
            }
        }
        #expect(gate.bindingCount == 150)
        var found: [EndpointID: Int] = [:]
        gate.gate.names.forEachBinding { client, _, _, expiry, _ in
            found[client, default: 0] += 1
            #expect(expiry >= Instant(seconds: 29))
        }
        #expect(found == [TestPolicy.web: 50, TestPolicy.db: 50, TestPolicy.job: 50])
    }
}
