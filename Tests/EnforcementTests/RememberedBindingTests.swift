import Enforcement
import NetworkTypes
import PolicyEngine
import Testing

/// Bindings that ended and are kept in mind for redials.
struct RememberedBindingTests {
    private static func make(_ change: (inout BindingLimits) -> Void = { _ in }) throws -> TestBindings {
        var limits = BindingLimits.small
        limits.redialSeconds = 60
        change(&limits)
        return try TestBindings(limits: limits)
    }

    /// Whether the address can be redialled: what a verdict thread finds, and what the DNS worker makes of it.
    private static func isRemembered(
        _ bindings: TestBindings, _ text: String, client: EndpointID = TestPolicy.web, at seconds: UInt64
    ) -> String? {
        guard let record = bindings.table.record(client, address(text), anyName) else { return nil }
        return bindings.names.name(ofRecord: record, client: client, address: address(text), now: Instant(seconds: seconds))?.description
    }

    @Test func `an ended binding is remembered for the window and counts nowhere`() throws {
        let bindings = try Self.make()
        try bindings.learn("a.example.org", "192.0.2.1", ttl: 10)
        try bindings.learn("b.example.org", "192.0.2.2", ttl: 90)
        bindings.sweep(at: 21)
        #expect(bindings.names.bindingCount == 1)
        #expect(bindings.names.nameCount == 1)
        #expect(bindings.names.counters.expired == 1)
        #expect(bindings.names.counters.remembered == 1)
        #expect(!bindings.isBound("192.0.2.1", at: 21))
        #expect(!bindings.isBound("192.0.2.1", at: 21, .liveOrDraining))
        #expect(try bindings.addresses("a.example.org", .live) == [])
        #expect(Self.isRemembered(bindings, "192.0.2.1", at: 80) == "a.example.org")
        #expect(Self.isRemembered(bindings, "192.0.2.1", at: 81) == nil)
        #expect(Self.isRemembered(bindings, "192.0.2.1", client: TestPolicy.db, at: 22) == nil)
        bindings.sweep(at: 79)
        #expect(Self.isRemembered(bindings, "192.0.2.1", at: 79) == "a.example.org")
        bindings.sweep(at: 81)
        #expect(bindings.table.count == 1)
        // The next process knows nothing of it.
        try bindings.learn("c.example.org", "192.0.2.3", ttl: 5, at: 100)
        bindings.sweep(at: 120)
        bindings.restart(at: 121)
        #expect(bindings.table.count == 0)
    }

    @Test func `what is remembered and learned again is a binding like any other`() throws {
        let bindings = try Self.make()
        try bindings.learn("a.example.org", "192.0.2.1", "192.0.2.2", ttl: 10)
        bindings.sweep(at: 21)
        #expect(bindings.names.bindingCount == 0)
        try bindings.learn("a.example.org", "192.0.2.1", ttl: 10, at: 30)
        #expect(bindings.names.bindingCount == 1)
        #expect(bindings.names.nameCount == 1)
        #expect(bindings.isBound("192.0.2.1", at: 50))
        #expect(!bindings.isBound("192.0.2.1", at: 51))
        #expect(try bindings.addresses("a.example.org", .live) == ["192.0.2.1"])
        bindings.sweep(at: 200)
        bindings.sweep(at: 300)
        #expect(bindings.names.bindingCount == 0)
        #expect(bindings.table.count == 0)
    }

    @Test func `what is remembered takes no room from anybody`() throws {
        let bindings = try Self.make { $0.bindings = 20 }
        for label in ["a", "b", "c", "d", "e"] {
            try bindings.learn("\(label).example.org", "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", ttl: 10)
        }
        bindings.sweep(at: 21)
        #expect(bindings.names.bindingCount == 0)
        // As many names and bindings as ever, of this client and of all, also beside what is remembered.
        for label in ["f", "g", "h", "i", "j"] {
            #expect(try bindings.learn("\(label).example.org", "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.5", ttl: 90, at: 22) == nil)
        }
        #expect(bindings.names.bindingCount == 20)
        #expect(bindings.names.nameCount == 5)
        #expect(Self.isRemembered(bindings, "192.0.2.4", at: 22) == nil)
        #expect(try bindings.learn("k.example.org", "192.0.2.9", at: 22) != nil)
        #expect(bindings.names.counters.evicted == 0)
        bindings.sweep(at: 200)
        bindings.sweep(at: 400)
        #expect(bindings.table.count == 0)
    }

    /// Its names have more patterns than one address has places.
    @Test func `an answer that finds no place in the table takes nothing of what is remembered of others`() throws {
        var limits = BindingLimits.small
        (limits.bindings, limits.bindingsPerClient, limits.namesPerClient) = (2_048, 2_000, 2_000)
        limits.redialSeconds = 60
        let domains = (0..<1_300).map { "n\($0).example.org" }
        let bindings = try TestBindings(TestPolicy.allow(domains.joined(separator: ", ")), limits: limits)
        try bindings.learn("a.example.org", "192.0.2.1", ttl: 10, client: TestPolicy.db)
        bindings.sweep(at: 21)
        #expect(Self.isRemembered(bindings, "192.0.2.1", client: TestPolicy.db, at: 22) == "a.example.org")
        var refused = 0
        for name in domains where try bindings.learn(name, "192.0.2.9", at: 22) == .bindings { refused += 1 }
        #expect(refused > 0)
        #expect(Self.isRemembered(bindings, "192.0.2.1", client: TestPolicy.db, at: 22) == "a.example.org")
    }

    @Test func `the oldest remembered go first`() throws {
        let bindings = try Self.make { $0.bindings = 4 }
        for number in 1...4 {
            try bindings.learn("a.example.org", "192.0.2.\(number)", ttl: UInt32(10 + number), client: TestPolicy.db)
        }
        for second in 21...25 { bindings.sweep(at: UInt64(second)) }
        #expect(bindings.names.bindingCount == 0)
        #expect(try bindings.learn("b.example.org", "192.0.2.9", "192.0.2.10", ttl: 90, at: 26) == nil)
        let left = (1...4).filter { Self.isRemembered(bindings, "192.0.2.\($0)", client: TestPolicy.db, at: 26) != nil }
        #expect(left == [3, 4])
    }

    @Test func `an admission of an earlier time does not outlive the binding by what is remembered`() throws {
        let bindings = try Self.make()
        try bindings.learn("a.example.org", "192.0.2.1", ttl: 10)
        bindings.sweep(at: 21)
        try bindings.learn("b.example.org", "192.0.2.1", ttl: 10, at: 22)
        bindings.admit("192.0.2.1", at: 23)
        bindings.sweep(at: 43)
        #expect(bindings.names.drainingCount == 1)
        bindings.release(sweepsAt: 44, 45)
        #expect(bindings.names.drainingCount == 0)
        #expect(!bindings.isBound("192.0.2.1", at: 45, .liveOrDraining))
        // Both names are remembered still. A new binding by which no flow was admitted does not drain.
        try bindings.learn("c.example.org", "192.0.2.1", ttl: 10, at: 46)
        bindings.sweep(at: 67)
        #expect(bindings.names.drainingCount == 0)
        #expect(!bindings.isBound("192.0.2.1", at: 67, .liveOrDraining))
    }

    @Test func `what is remembered counts for no flow that was admitted, also while its address is held under another name`() throws {
        let bindings = try Self.make()
        try bindings.learn("a.example.org", "192.0.2.1", ttl: 10)
        // Outside of policy.
        try bindings.learn("www.example.net", "192.0.2.1", ttl: 90)
        bindings.admit("192.0.2.1", at: 5)
        bindings.sweep(at: 21)
        #expect(bindings.isBound("192.0.2.1", at: 21, .liveOrDraining))
        bindings.release(sweepsAt: 22, 23)
        #expect(try bindings.addresses("www.example.net", .live) == ["192.0.2.1"])
        #expect(!bindings.isBound("192.0.2.1", at: 23, .liveOrDraining))
        // What a redial goes by.
        #expect(bindings.isBound("192.0.2.1", at: 20))
        // A binding again, and remembered again under a pattern that a later policy brings.
        try bindings.learn("a.example.org", "192.0.2.1", ttl: 10, at: 30)
        #expect(bindings.isBound("192.0.2.1", at: 51, .liveOrDraining))
        bindings.sweep(at: 51)
        bindings.release(sweepsAt: 52, 53)
        let policy = try TestPolicy.compile(TestPolicy.allow("a.example.org"), &bindings.compiler)
        bindings.names.adopt(policy)
        #expect(!bindings.isBound("192.0.2.1", at: Instant(seconds: 53), .liveOrDraining, under: policy))
        #expect(bindings.isBound("192.0.2.1", at: Instant(seconds: 50), under: policy))
    }

    @Test func `a policy change reaches what is remembered, and a client that goes takes it along`() throws {
        let bindings = try Self.make()
        try bindings.learn("www.example.net", "192.0.2.1", ttl: 10)
        bindings.sweep(at: 21)
        let policy = try TestPolicy.compile(TestPolicy.allow("'*.example.net'"), &bindings.compiler)
        bindings.names.adopt(policy)
        bindings.names.settle()
        let ended = Instant(seconds: 20)
        #expect(bindings.isBound("192.0.2.1", at: ended, under: policy))
        #expect(!bindings.isBound("192.0.2.1", at: Instant(seconds: 21), under: policy))
        let others = TestPolicy.endpoints.filter { $0.name != "web" }
        bindings.names.adopt(try TestPolicy.compile(TestPolicy.allow("'*.example.net'"), &bindings.compiler, endpoints: others))
        bindings.names.settle()
        #expect(bindings.table.count == 0)
    }
}
