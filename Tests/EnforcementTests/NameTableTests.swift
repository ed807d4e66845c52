import Enforcement
import NetworkTypes
import PolicyEngine
import Testing

struct NameTableTests {
    @Test(
        arguments: [
            // TTL, floor, ceiling, grace, lease
            (0, 5, 100, 10, 15), (4, 5, 100, 10, 15), (5, 5, 100, 10, 15), (6, 5, 100, 10, 16), (100, 5, 100, 10, 110),
            (101, 5, 100, 10, 110),
            (UInt32.max, 5, 86_400, 10, 86_410), (0, 0, 100, 0, 0), (3, 60, 100, 0, 60), (3, 60, 10, 0, 60), (7, 0, 100, 0, 7),
            (UInt32.max, 0, .max, .max, 2 * UInt64(UInt32.max)),
        ] as [(UInt32, UInt32, UInt32, UInt32, UInt64)])
    func `a lease is the TTL within floor and ceiling, plus grace`(row: (UInt32, UInt32, UInt32, UInt32, UInt64)) throws {
        var limits = BindingLimits.small
        (limits.floorSeconds, limits.ceilingSeconds, limits.graceSeconds) = (row.1, row.2, row.3)
        #expect(limits.leaseSeconds(timeToLive: row.0) == row.4)
        let bindings = try TestBindings(limits: limits)
        #expect(try bindings.learn("api.example.org", "192.0.2.1", ttl: row.0, at: 1_000) == nil)
        let end = Instant(seconds: 1_000 + row.4)
        #expect(bindings.isBound("192.0.2.1", at: end))
        #expect(!bindings.isBound("192.0.2.1", at: end.advanced(byNanoseconds: 1)))
    }

    @Test func `what one client learns no other client holds`() throws {
        let bindings = try TestBindings()
        try bindings.learn("api.example.org", "192.0.2.1", "2001:db8::1")
        #expect(bindings.isBound("192.0.2.1", at: 0))
        #expect(bindings.isBound("2001:db8::1", at: 0))
        #expect(!bindings.isBound("192.0.2.1", client: TestPolicy.db, at: 0))
        #expect(!bindings.isBound("192.0.2.2", at: 0))
    }

    @Test func `a name that no rule names is bound under no rule`() throws {
        let bindings = try TestBindings()
        try bindings.learn("www.example.net", "192.0.2.1")
        #expect(!bindings.isBound("192.0.2.1", at: 0))
        let now = Instant(seconds: 0)
        #expect(bindings.table.isBound(TestPolicy.web, to: address("192.0.2.1"), number: anyName, now: now, liveness: .live))
        #expect(bindings.names.bindingCount == 1)
    }

    @Test func `learning again lengthens and never shortens`() throws {
        let bindings = try TestBindings()
        try bindings.learn("api.example.org", "192.0.2.1", ttl: 50)
        try bindings.learn("api.example.org", "192.0.2.1", ttl: 5, at: 1)
        #expect(bindings.isBound("192.0.2.1", at: 60))
        #expect(!bindings.isBound("192.0.2.1", at: 61))
        try bindings.learn("api.example.org", "192.0.2.1", ttl: 60, at: 1)
        #expect(bindings.isBound("192.0.2.1", at: 71))
        #expect(bindings.names.bindingCount == 1)
    }

    @Test func `the limits of a name, of a client and of the node are kept and counted`() throws {
        let bindings = try TestBindings()
        let four = (1...4).map { "192.0.2.\($0)" }
        // Addresses of one name: an answer with more teaches nothing.
        #expect(
            try bindings.learn("a.example.org", "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5") == .addressesPerName)
        #expect(bindings.names.bindingCount == 0)
        for text in four { #expect(try bindings.learn("a.example.org", text) == nil) }
        // Names of one client.
        for label in ["b", "c", "d", "e"] {
            for text in four { #expect(try bindings.learn("\(label).example.org", text) == nil) }
        }
        // Bindings of one client: 5 names of 4 addresses are 20.
        #expect(try bindings.learn("f.example.org", "192.0.2.1") == .bindingsPerClient)
        // The node's: another client still has room, until all are taken.
        for label in ["a", "b", "c", "d", "e"] {
            for text in four {
                for client in [TestPolicy.db, TestPolicy.job] {
                    #expect(try bindings.learn("\(label).example.org", text, client: client) == nil)
                }
            }
        }
        #expect(bindings.names.bindingCount == 60)
        #expect(bindings.names.counters.full == [1, 0, 1, 0, 0])
        #expect(bindings.names.nameCount == 5)
    }

    @Test func `names of one client are limited`() throws {
        let bindings = try TestBindings()
        for number in 1...6 { #expect(try bindings.learn("n\(number).example.org", "192.0.2.1") == nil) }
        #expect(try bindings.learn("n7.example.org", "192.0.2.1") == .namesPerClient)
        #expect(try bindings.learn("n6.example.org", "192.0.2.2") == nil)
        #expect(try bindings.learn("n7.example.org", "192.0.2.1", client: TestPolicy.db) == nil)
        #expect(bindings.names.counters.full == [0, 1, 0, 0, 0])
        // An expired name makes room.
        bindings.sweep(at: 1_000)
        #expect(try bindings.learn("n7.example.org", "192.0.2.1", at: 1_000) == nil)
    }

    @Test func `the node's bindings are limited`() throws {
        var limits = BindingLimits.small
        limits.bindings = 10
        let bindings = try TestBindings(limits: limits)
        for number in 1...10 {
            #expect(try bindings.learn("n\(number % 3).example.org", "192.0.2.\(number)") == nil)
        }
        #expect(try bindings.learn("x.example.org", "192.0.2.1", client: TestPolicy.db) == .bindings)
        #expect(bindings.names.counters.full == [0, 0, 0, 1, 0])
        bindings.sweep(at: 1_000)
        #expect(bindings.names.bindingCount == 0)
        #expect(try bindings.learn("x.example.org", "192.0.2.1", client: TestPolicy.db, at: 1_000) == nil)
    }

    @Test func `a client that policy does not know learns nothing`() throws {
        let bindings = try TestBindings()
        #expect(try bindings.learn("a.example.org", "192.0.2.1", client: EndpointID(rawValue: 99)) == .unknownClient)
        #expect(bindings.names.counters.full == [0, 0, 0, 0, 1])
        #expect(bindings.names.bindingCount == 0)
        #expect(bindings.names.nameCount == 0)
        #expect(bindings.table.count == 0)
    }

    @Test func `one client's flood takes nothing from another`() throws {
        var limits = BindingLimits.small
        (limits.bindings, limits.bindingsPerClient, limits.namesPerClient, limits.addressesPerName) = (400, 100, 1_000, 1_000)
        let bindings = try TestBindings(limits: limits)
        try bindings.learn("api.example.org", "203.0.113.1", client: TestPolicy.db)
        var refused = 0
        for number in 0..<5_000 {
            if try bindings.learn("n\(number).example.org", "192.0.2.\(number % 250)") != nil { refused += 1 }
        }
        #expect(refused == 4_900)
        #expect(bindings.names.counters.full == [0, 0, 4_900, 0, 0])
        #expect(bindings.isBound("203.0.113.1", client: TestPolicy.db, at: 0))
        #expect(try bindings.learn("www.example.org", "203.0.113.2", client: TestPolicy.db) == nil)
        // The flood ends with its leases.
        bindings.sweep(at: 100)
        #expect(bindings.names.bindingCount == 0)
        #expect(bindings.names.nameCount == 0)
        #expect(bindings.table.count == 0)
    }

    @Test func `expired bindings go, and only they`() throws {
        let bindings = try TestBindings()
        try bindings.learn("a.example.org", "192.0.2.1", ttl: 10)
        try bindings.learn("a.example.org", "192.0.2.2", ttl: 50)
        try bindings.learn("b.example.org", "192.0.2.1", ttl: 50)
        bindings.sweep(at: 20)
        #expect(bindings.names.bindingCount == 3)
        bindings.sweep(at: 21)
        #expect(bindings.names.bindingCount == 2)
        #expect(bindings.names.counters.expired == 1)
        // The other name of the address holds it, and under it the same selector number.
        #expect(bindings.isBound("192.0.2.1", at: 21))
        bindings.sweep(at: 61)
        #expect(bindings.names.bindingCount == 0)
        #expect(bindings.names.nameCount == 0)
        #expect(bindings.table.count == 0)
    }

    @Test func `newer addresses of a name end those that would end first`() throws {
        let bindings = try TestBindings()
        for (text, ttl) in [("192.0.2.1", 40), ("192.0.2.2", 20), ("192.0.2.3", 30), ("192.0.2.4", 60)] {
            try bindings.learn("a.example.org", text, ttl: UInt32(ttl))
            bindings.admit(text, at: 1)
        }
        // Shorter than all, but just handed out.
        try bindings.learn("a.example.org", "192.0.2.4", "192.0.2.5", "192.0.2.6", ttl: 5, at: 5)
        #expect(try bindings.addresses("a.example.org", .live) == ["192.0.2.1", "192.0.2.4", "192.0.2.5", "192.0.2.6"])
        #expect(try bindings.addresses("a.example.org", .draining) == ["192.0.2.2", "192.0.2.3"])
        #expect(!bindings.isBound("192.0.2.2", at: 6))
        #expect(bindings.isBound("192.0.2.2", at: 6, .liveOrDraining))
        #expect(bindings.isBound("192.0.2.1", at: 6))
        let evicted = bindings.names.counters.evicted
        #expect(evicted == 2)
        // Nobody else's, and not under another name.
        try bindings.learn("b.example.org", "192.0.2.1", ttl: 60, at: 6)
        try bindings.learn("a.example.org", "192.0.2.1", ttl: 60, client: TestPolicy.db, at: 6)
        try bindings.learn("a.example.org", "192.0.2.7", "192.0.2.8", "192.0.2.9", "192.0.2.10", ttl: 60, at: 7)
        #expect(bindings.isBound("192.0.2.1", at: 8))
        #expect(bindings.isBound("192.0.2.1", client: TestPolicy.db, at: 8))
        #expect(!bindings.isBound("192.0.2.5", at: 8))
        bindings.restart(at: 9)
        #expect(bindings.isBound("192.0.2.7", at: 9))
        #expect(!bindings.isBound("192.0.2.5", at: 9))
        #expect(bindings.isBound("192.0.2.2", at: 9, .liveOrDraining))
    }

    @Test func `a name with many addresses gives up a sixteenth of them at a time`() throws {
        var limits = BindingLimits.small
        (limits.bindings, limits.bindingsPerClient, limits.addressesPerName) = (512, 512, 64)
        let bindings = try TestBindings(limits: limits)
        for number in 1...64 { try bindings.learn("a.example.org", "192.0.2.\(number)", ttl: 90, at: UInt64(number)) }
        #expect(try bindings.addresses("a.example.org", .live).count == 64)
        try bindings.learn("a.example.org", "192.0.2.65", ttl: 90, at: 65)
        #expect(try bindings.addresses("a.example.org", .live).count == 60)
        // The five that would have ended first.
        for number in 1...65 { #expect(bindings.isBound("192.0.2.\(number)", at: 66) == (number > 5)) }
        for number in 66...69 { try bindings.learn("a.example.org", "192.0.2.\(number)", ttl: 90, at: 66) }
        #expect(try bindings.addresses("a.example.org", .live).count == 64)
        let evicted = bindings.names.counters.evicted
        #expect(evicted == 5)
    }

    @Test func `when all is full, what expired gives room at once, and what carries a flow does not`() throws {
        let bindings = try TestBindings()
        for label in ["a", "b", "c", "d", "e"] {
            try bindings.learn("\(label).example.org", "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", ttl: 10)
        }
        bindings.admit("192.0.2.1", at: 5)
        #expect(try bindings.learn("f.example.org", "192.0.2.1", at: 19) == .bindingsPerClient)
        // Looked for once a tick.
        #expect(try bindings.learn("f.example.org", "192.0.2.5", at: 25) == .bindingsPerClient)
        bindings.names.sweep(0, now: Instant(seconds: 25))
        #expect(try bindings.learn("f.example.org", "192.0.2.5", at: 25) == nil)
        #expect(bindings.names.drainingCount == 5)
        #expect(bindings.names.bindingCount == 6)
        #expect(bindings.isBound("192.0.2.1", at: 26, .liveOrDraining))
    }

    @Test func `a sweep of a few at a time comes round`() throws {
        let bindings = try TestBindings()
        for number in 1...6 { try bindings.learn("n\(number).example.org", "192.0.2.1", "192.0.2.2", "192.0.2.3") }
        for expected in [14, 10, 6, 2, 0] {
            bindings.names.sweep(4, now: Instant(seconds: 100))
            #expect(bindings.names.bindingCount == expected)
        }
    }

    @Test func `a binding by which a flow was admitted drains until no flow needs it`() throws {
        let bindings = try TestBindings()
        try bindings.learn("a.example.org", "192.0.2.1", "192.0.2.2", ttl: 10)
        bindings.table.noteAdmission(TestPolicy.web, address("192.0.2.1"), now: Instant(seconds: 5))
        // Admitted after the end: no flow of its own.
        bindings.table.noteAdmission(TestPolicy.web, address("192.0.2.2"), now: Instant(seconds: 21))
        bindings.sweep(at: 30)
        #expect(bindings.names.drainingCount == 1)
        #expect(bindings.names.counters.drained == 1)
        #expect(!bindings.isBound("192.0.2.1", at: 30, .live))
        #expect(bindings.isBound("192.0.2.1", at: 30, .liveOrDraining))
        #expect(!bindings.isBound("192.0.2.2", at: 30, .liveOrDraining))
        for seconds: UInt64 in 30...40 {
            bindings.names.releaseDraining(sweepBegan: Instant(seconds: seconds)) { client, destination in
                client == TestPolicy.web && destination == address("192.0.2.1")
            }
        }
        #expect(bindings.isBound("192.0.2.1", at: 30, .liveOrDraining))
        bindings.release(sweepsAt: 41)
        #expect(bindings.isBound("192.0.2.1", at: 30, .liveOrDraining))
        bindings.release(sweepsAt: 42)
        #expect(!bindings.isBound("192.0.2.1", at: 30, .liveOrDraining))
        #expect(bindings.names.bindingCount == 0)
        #expect(bindings.table.count == 0)
    }

    @Test func `a draining binding that is learned again lives`() throws {
        let bindings = try TestBindings()
        try bindings.learn("a.example.org", "192.0.2.1", ttl: 10)
        bindings.table.noteAdmission(TestPolicy.web, address("192.0.2.1"), now: Instant(seconds: 5))
        bindings.sweep(at: 30)
        #expect(bindings.names.drainingCount == 1)
        try bindings.learn("a.example.org", "192.0.2.1", ttl: 10, at: 40)
        #expect(bindings.names.drainingCount == 0)
        #expect(bindings.isBound("192.0.2.1", at: 60, .live))
        bindings.release(sweepsAt: 41, 42)
        #expect(bindings.isBound("192.0.2.1", at: 60, .live))
    }

    @Test func `every binding is reported once`() throws {
        let bindings = try TestBindings()
        try bindings.learn("a.example.org", "192.0.2.1", "2001:db8::1", ttl: 10)
        try bindings.learn("a.example.org", "192.0.2.1", ttl: 20, client: TestPolicy.db)
        var seen: [String] = []
        bindings.names.forEachBinding { client, name, address, expiry, state in
            seen.append("\(client.rawValue) \(name) \(address) \(expiry.nanoseconds / 1_000_000_000) \(state)")
        }
        #expect(
            seen.sorted() == [
                "1 a.example.org 192.0.2.1 20 live", "1 a.example.org 2001:db8::1 20 live", "2 a.example.org 192.0.2.1 30 live",
            ])
    }
}
