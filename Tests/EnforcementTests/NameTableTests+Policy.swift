import Enforcement
import NetworkTypes
import PolicyEngine
import Testing

extension NameTableTests {
    @Test func `a new policy finds the bindings of before under its own numbers`() throws {
        let bindings = try TestBindings(TestPolicy.allow("a.example.org"))
        try bindings.learn("a.example.org", "192.0.2.1")
        try bindings.learn("b.example.org", "192.0.2.2")
        let before = bindings.policy
        let after = try TestPolicy.compile(TestPolicy.allow("b.example.org"), &bindings.compiler)
        bindings.names.adopt(after)
        // Verdict threads may use either policy now.
        #expect(bindings.isBound("192.0.2.1", under: before))
        #expect(!bindings.isBound("192.0.2.2", under: before))
        #expect(bindings.isBound("192.0.2.2", under: after))
        #expect(!bindings.isBound("192.0.2.1", under: after))
        bindings.names.settle()
        #expect(!bindings.isBound("192.0.2.1", under: before))
        #expect(bindings.isBound("192.0.2.2", under: after))
        // Two addresses under "any name", one of them under the list.
        #expect(bindings.table.count == 3)
        bindings.sweep(at: 1_000)
        #expect(bindings.table.count == 0)
    }

    @Test func `what is learned between two policies is seen under both`() throws {
        let bindings = try TestBindings(TestPolicy.allow("a.example.org"))
        let before = bindings.policy
        let after = try TestPolicy.compile(TestPolicy.allow("a.example.org, b.example.org"), &bindings.compiler)
        bindings.names.adopt(after)
        try bindings.learn("a.example.org", "192.0.2.1")
        #expect(bindings.isBound("192.0.2.1", under: before))
        #expect(bindings.isBound("192.0.2.1", under: after))
        bindings.names.settle()
        #expect(!bindings.isBound("192.0.2.1", under: before))
        #expect(bindings.isBound("192.0.2.1", under: after))
        #expect(bindings.table.count == 2)
        bindings.sweep(at: 1_000)
        #expect(bindings.table.count == 0)
    }

    @Test func `a list that one client lost is withdrawn from it alone`() throws {
        let both = TestPolicy.allow("a.example.org")
        let bindings = try TestBindings(both)
        let before = bindings.policy
        for client in [TestPolicy.web, TestPolicy.db] { try bindings.learn("a.example.org", "192.0.2.1", client: client) }
        bindings.names.adopt(try TestPolicy.compile(TestPolicy.allow("a.example.org", app: "== \"db\""), &bindings.compiler))
        #expect(bindings.isBound("192.0.2.1", under: before))
        bindings.names.settle()
        #expect(!bindings.isBound("192.0.2.1", under: before))
        #expect(bindings.isBound("192.0.2.1", client: TestPolicy.db, under: before))
        // And back again, without a new lookup.
        bindings.names.adopt(try TestPolicy.compile(both, &bindings.compiler))
        #expect(bindings.isBound("192.0.2.1", under: before))
    }

    @Test func `a second policy settles the first`() throws {
        let bindings = try TestBindings(TestPolicy.allow("a.example.org"))
        let first = bindings.policy
        try bindings.learn("a.example.org", "192.0.2.1")
        bindings.names.adopt(try TestPolicy.compile(TestPolicy.allow("b.example.org"), &bindings.compiler))
        let third = try TestPolicy.compile(TestPolicy.allow("a.example.org"), &bindings.compiler)
        bindings.names.adopt(third)
        #expect(bindings.isBound("192.0.2.1", under: third))
        bindings.names.settle()
        #expect(bindings.isBound("192.0.2.1", under: first))
        #expect(bindings.table.count == 2)
    }

    @Test func `an address that two names hold stays under the list of the one that is left`() throws {
        let yaml = TestPolicy.allow("a.example.org", name: "p") + TestPolicy.allow("b.example.org", name: "q")
        let bindings = try TestBindings(yaml)
        try bindings.learn("a.example.org", "192.0.2.1", ttl: 10)
        try bindings.learn("b.example.org", "192.0.2.1", ttl: 50)
        #expect(bindings.table.count == 3)
        bindings.sweep(at: 30)
        #expect(bindings.table.count == 2)
        #expect(bindings.isBound("192.0.2.1", at: 30))
    }

    @Test func `an endpoint that goes takes its bindings along`() throws {
        let bindings = try TestBindings()
        try bindings.learn("a.example.org", "192.0.2.1", "192.0.2.2")
        try bindings.learn("b.example.org", "192.0.2.1")
        try bindings.learn("a.example.org", "192.0.2.1", client: TestPolicy.db)
        let yaml = TestPolicy.allow("'*.example.org'")
        let left = TestPolicy.endpoints.filter { $0.name != "web" }
        bindings.names.adopt(try TestPolicy.compile(yaml, &bindings.compiler, endpoints: left))
        bindings.names.settle()
        #expect(bindings.names.bindingCount == 1)
        #expect(bindings.table.count == 2)
        #expect(bindings.isBound("192.0.2.1", client: TestPolicy.db, at: 0))
        // The next endpoint with that number begins with nothing.
        bindings.names.adopt(try TestPolicy.compile(yaml, &bindings.compiler))
        #expect(!bindings.isBound("192.0.2.1", at: 0))
        for number in 1...6 { #expect(try bindings.learn("n\(number).example.org", "192.0.2.1") == nil) }
    }
}
