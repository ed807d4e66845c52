import Enforcement
import NetworkTypes
import PolicyEngine
import Testing

extension NameTableTests {
    @Test func `a new policy finds the bindings of before under its own patterns`() throws {
        let bindings = try TestBindings(TestPolicy.allow("a.example.org"))
        try bindings.learn("a.example.org", "192.0.2.1")
        try bindings.learn("b.example.org", "192.0.2.2")
        let before = bindings.policy
        let after = try TestPolicy.compile(TestPolicy.allow("b.example.org"), &bindings.compiler)
        bindings.names.adopt(after)
        bindings.sweep(at: 1)
        // Verdict threads may use either policy now.
        #expect(bindings.isBound("192.0.2.1", under: before))
        #expect(!bindings.isBound("192.0.2.2", under: before))
        #expect(bindings.isBound("192.0.2.2", under: after))
        #expect(!bindings.isBound("192.0.2.1", under: after))
        bindings.names.settle()
        bindings.sweep(at: 1)
        #expect(!bindings.isBound("192.0.2.1", under: before))
        #expect(bindings.isBound("192.0.2.2", under: after))
        #expect(bindings.table.count == 2)
        bindings.sweep(at: 1_000)
        #expect(bindings.table.count == 0)
    }

    @Test func `what is learned between two policies is seen under both`() throws {
        let bindings = try TestBindings(TestPolicy.allow("'*.example.org'"))
        let before = bindings.policy
        let after = try TestPolicy.compile(TestPolicy.allow("a.example.org"), &bindings.compiler)
        bindings.names.adopt(after)
        try bindings.learn("a.example.org", "192.0.2.1")
        #expect(bindings.isBound("192.0.2.1", under: before))
        #expect(bindings.isBound("192.0.2.1", under: after))
        bindings.names.settle()
        bindings.sweep(at: 1)
        #expect(!bindings.isBound("192.0.2.1", under: before))
        #expect(bindings.isBound("192.0.2.1", under: after))
    }

    @Test func `a pattern that goes and comes again finds the bindings of before`() throws {
        let bindings = try TestBindings(TestPolicy.allow("a.example.org"))
        try bindings.learn("a.example.org", "192.0.2.1")
        bindings.names.adopt(try TestPolicy.compile(TestPolicy.allow("b.example.org"), &bindings.compiler))
        bindings.names.settle()
        bindings.sweep(at: 1)
        let third = try TestPolicy.compile(TestPolicy.allow("a.example.org"), &bindings.compiler)
        bindings.names.adopt(third)
        #expect(bindings.isBound("192.0.2.1", under: third))
    }

    @Test func `an address that two names hold stays under the list of the one that is left`() throws {
        let yaml = TestPolicy.allow("a.example.org", name: "p") + TestPolicy.allow("b.example.org", name: "q")
        let bindings = try TestBindings(yaml)
        try bindings.learn("a.example.org", "192.0.2.1", ttl: 10)
        try bindings.learn("b.example.org", "192.0.2.1", ttl: 50)
        bindings.sweep(at: 30)
        #expect(bindings.table.count == 1)
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
        #expect(bindings.table.count == 1)
        #expect(bindings.isBound("192.0.2.1", client: TestPolicy.db, at: 0))
        // The next endpoint with that number begins with nothing.
        bindings.names.adopt(try TestPolicy.compile(yaml, &bindings.compiler))
        #expect(!bindings.isBound("192.0.2.1", at: 0))
        for number in 1...6 { #expect(try bindings.learn("n\(number).example.org", "192.0.2.1") == nil) }
    }
}
