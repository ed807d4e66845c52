import DomainNames
import Enforcement
import EnforcementTesting
import NetworkTypes
import PolicyEngine
import Synchronization
import Testing

struct AddressTableTests {
    @Test func `an empty table binds nothing`() {
        let table = AddressTable(slots: 1_024, seed: (1, 2))
        for endpoint in [0, 1, 0x7fff_ffff] as [UInt32] {
            for address in [IPAddress(v4: 0), IPAddress(v6Upper: 0, lower: 0), address("192.0.2.1")] {
                let id = EndpointID(rawValue: endpoint)
                #expect(!table.isBound(id, to: address, number: 0, now: Instant(seconds: 0), liveness: .liveOrDraining))
                #expect(table.record(id, address, 0) == nil)
                table.noteAdmission(id, address, now: Instant(seconds: 0))
            }
        }
        #expect(table.count == 0)
    }

    @Test func `equal bits of the two families are different addresses`() throws {
        let bindings = try TestBindings()
        try bindings.learn("a.example.org", "192.0.2.1")
        #expect(!bindings.isBound("::192.0.2.1", at: 0))
        #expect(!bindings.isBound("::ffff:192.0.2.1", at: 0))
        try bindings.learn("a.example.org", "::192.0.2.2")
        #expect(!bindings.isBound("192.0.2.2", at: 0))
        #expect(bindings.isBound("::192.0.2.2", at: 0))
    }

    @Test func `a full window refuses and leaves what is bound`() throws {
        var limits = BindingLimits.small
        (limits.bindings, limits.bindingsPerClient, limits.addressesPerName) = (4_096, 4_096, 4_096)
        // 1,024 slots; each address takes one.
        let bindings = try TestBindings(limits: limits, slots: 1_024)
        var bound: [String] = []
        var refused = 0
        for number in 0..<2_048 {
            let text = "192.0.\(number / 256).\(number % 256)"
            switch try bindings.learn("a.example.org", text) {
            case nil: bound.append(text)
            case .bindings: refused += 1
            case let other: Issue.record("\(String(describing: other))")
            }
        }
        #expect(refused > 0)
        #expect(bound.count > 800)
        #expect(bindings.table.count <= 1_024)
        #expect(bindings.names.counters.full[Int(NameTableFullness.bindings.rawValue)] == UInt64(refused))
        #expect(bound.allSatisfy { bindings.isBound($0, at: 0) })
        bindings.sweep(at: 1_000)
        #expect(bindings.table.count == 0)
        #expect(try bindings.learn("a.example.org", "192.0.2.1", at: 1_000) == nil)
    }

    /// Whoever owns a zone chooses what its AAAA records say.
    @Test(arguments: [(1, 2), (0x1234_5678_9abc_def0, 0xbf58_476d_1ce4_e5b9), (.max, 0x0fed_cba9_8765_4321)] as [(UInt64, UInt64)])
    func `addresses that differ in a few bits do not stand in one another's way`(seed: (UInt64, UInt64)) throws {
        var limits = BindingLimits.small
        (limits.bindings, limits.bindingsPerClient, limits.addressesPerName) = (512, 512, 512)
        for shift in stride(from: 0 as UInt64, through: 56, by: 2) {
            let bits = (0..<256 as Range<UInt64>).map { $0 << shift }
            for addresses in [
                bits.map { IPAddress(v6Upper: $0, lower: 1) }, bits.map { IPAddress(v6Upper: 0x2001_0db8_0000_0000, lower: $0) },
            ] {
                let bindings = try TestBindings(limits: limits, seed: seed)
                #expect(try bindings.learn("a.example.org", addresses) == nil, "bits from \(shift) on")
            }
        }
    }

    /// As the servers of one provider have them. At a fourth of the places, chance alone leaves no run of a tenth of the window.
    @Test func `addresses that follow one another find room, whatever the seed`() {
        let slots = 16_384
        var random = SeededGenerator(seed: 1)
        for _ in 0..<64 {
            let seed = (random.next(), random.next())
            for stride: UInt32 in [1, 2, 16, 24, 256, 65_536] {
                var isTaken = [Bool](repeating: false, count: slots)
                var furthest = 0
                for number in 0..<UInt32(slots / 4) {
                    let address = IPAddress(v4: 0xc612_0000 &+ number &* stride)
                    let first = AddressTable.hash(1 << 32, address, seed) & (slots - 1)
                    var distance = 0
                    while isTaken[(first + distance) & (slots - 1)] { distance += 1 }
                    isTaken[(first + distance) & (slots - 1)] = true
                    furthest = max(furthest, distance)
                }
                #expect(furthest < 48, "every \(stride)th address, seed \(seed)")
            }
        }
    }

    @Test func `removed slots are used again and hide nothing`() throws {
        var limits = BindingLimits.small
        (limits.bindings, limits.bindingsPerClient, limits.addressesPerName, limits.namesPerClient) = (4_096, 4_096, 4_096, 4_096)
        limits.ceilingSeconds = 1_000_000
        let bindings = try TestBindings(limits: limits, slots: 1_024)
        // These stay; around them others come and go, some hundred slots at a time.
        let lasting = (1...60).map { "203.0.113.\($0)" }
        for text in lasting { #expect(try bindings.learn("lasting.example.org", text, ttl: 900_000) == nil) }
        for round in 0..<200 {
            let now = UInt64(round) * 100
            for number in 0..<150 {
                #expect(try bindings.learn("r\(round).example.org", "10.\(round).0.\(number)", ttl: 20, at: now) == nil)
            }
            #expect(bindings.table.count == 210)
            #expect(lasting.allSatisfy { bindings.isBound($0, at: now) })
            bindings.sweep(at: now + 50)
            #expect(bindings.table.count == 60)
            #expect(!bindings.isBound("10.\(round).0.7", at: now, .liveOrDraining))
        }
        #expect(lasting.allSatisfy { bindings.isBound($0, at: 100_000) })
    }

    @Test func `an address under many patterns is held under each of them`() throws {
        let names = (1...40).map { "*.n\($0).example.org" }
        let bindings = try TestBindings(
            TestPolicy.allow((names + ["'*.org'"]).map { $0.hasPrefix("'") ? $0 : "'\($0)'" }.joined(separator: ", ")))
        var limits = 0
        for number in 1...6 {
            if try bindings.learn("a.n\(number).example.org", "192.0.2.1") == nil { limits += 1 }
        }
        #expect(limits == 6)
        var held: Set<PatternNumber> = []
        var numbers = bindings.table.numbers(TestPolicy.web, boundTo: address("192.0.2.1"), now: Instant(seconds: 1), liveness: .live)
        while let number = numbers.next() { #expect(held.insert(number).inserted) }
        // "Any name", *.org, and six of the others: two slots of five.
        #expect(held.count == 8 && held.contains(anyName))
        #expect(bindings.table.count == 2)
        bindings.sweep(at: 1_000)
        #expect(bindings.table.count == 0)
    }

    @Test func `only the first admission counts`() throws {
        let bindings = try TestBindings()
        try bindings.learn("a.example.org", "192.0.2.1", ttl: 10)
        bindings.table.noteAdmission(TestPolicy.web, address("192.0.2.1"), now: Instant(seconds: 15))
        bindings.table.noteAdmission(TestPolicy.web, address("192.0.2.1"), now: Instant(seconds: 25))
        #expect(bindings.isBound("192.0.2.1", at: 30, .liveOrDraining))
        // A slot that is used anew begins without admission.
        bindings.sweep(at: 30)
        bindings.release(sweepsAt: 31, 32)
        try bindings.learn("a.example.org", "192.0.2.1", ttl: 10, at: 40)
        #expect(!bindings.isBound("192.0.2.1", at: 61, .liveOrDraining))
    }

    /// One writer publishes, lengthens and withdraws for about a second while three threads read. Every address has an expiry
    /// of its own: a reader that sees a slot half of one binding and half of another would see a wrong one.
    @Test func `readers beside the writer see whole entries only and never miss what stays`() throws {
        var compiler = PolicyCompiler()
        let policy = try TestPolicy.compile(TestPolicy.allow("'*.example.org'"), &compiler)
        let number = try #require(policy.patterns(numberedFrom: 1).first?.0)
        let bound = try domain("a.example.org")
        var limits = BindingLimits()
        (limits.floorSeconds, limits.graceSeconds, limits.ceilingSeconds) = (0, 0, 1_000_000)
        limits.bindings = 4_096
        let (fixedLimits, store) = (
            limits, BindingStore(SharedMemory(byteCount: BindingStore.byteCount(capacity: 4_096)), capacity: 4_096, bootMark: 1)
        )
        let table = AddressTable(slots: 1_024, seed: (5, 6))
        // More than fit, so that what changes has to share the few slots that are left.
        let lasting = (0..<980).map { IPAddress(v4: 0x0b00_0000 + UInt32($0)) }
        let lastingCount = Atomic<Int>(0)
        let changing = (0..<60).map { IPAddress(v4: 0xc000_0000 + UInt32($0)) }
        let begin = Instant(seconds: 1_000)
        let isReady = Atomic<Bool>(false)
        let isOver = Atomic<Bool>(false)
        let torn = Atomic<Int>(0)
        let missed = Atomic<Int>(0)
        let seen = Atomic<Int>(0)
        let rounds = Atomic<Int>(0)

        @Sendable func write() {
            var names = NameTable(limits: fixedLimits, table: table, store: store, policy: policy, now: begin)
            var isFull = false
            for (index, address) in lasting.enumerated() {
                let result = names.learn(bound, [address], timeToLiveSeconds: 900_000, client: TestPolicy.web, now: begin)
                if case .failure = result { isFull = true }
                if !isFull { lastingCount.store(index + 1, ordering: .relaxed) }
            }
            isReady.store(true, ordering: .releasing)
            let clock = ContinuousClock()
            let end = clock.now.advanced(by: .seconds(1))
            var round = 0
            while clock.now < end {
                // A third of them at a time, so that slots change their owners.
                let part = changing.indices.filter { $0 % 3 == round % 3 }
                for index in part {
                    let ttl = UInt32(index) + 1
                    _ = names.learn(bound, [changing[index]], timeToLiveSeconds: ttl / 2, client: TestPolicy.web, now: begin)
                    _ = names.learn(bound, [changing[index]], timeToLiveSeconds: ttl, client: TestPolicy.web, now: begin)
                }
                names.sweep(.max, now: begin.advanced(bySeconds: 1_000))
                round += 1
            }
            rounds.store(round, ordering: .relaxed)
            isOver.store(true, ordering: .releasing)
        }
        @Sendable func read() {
            while !isReady.load(ordering: .acquiring) {}
            var (wrong, lost, found) = (0, 0, 0)
            while !isOver.load(ordering: .acquiring) {
                for _ in 0..<50 {
                    for (index, address) in changing.enumerated() {
                        let limit = begin.advanced(bySeconds: UInt64(index) + 1)
                        let beyond = limit.advanced(byNanoseconds: 1)
                        if table.isBound(TestPolicy.web, to: address, number: number, now: beyond, liveness: .live) { wrong += 1 }
                        if table.isBound(TestPolicy.web, to: address, number: number, now: begin, liveness: .live) { found += 1 }
                    }
                }
                for address in lasting.prefix(lastingCount.load(ordering: .relaxed))
                where !table.isBound(TestPolicy.web, to: address, number: number, now: Instant(seconds: 900_000), liveness: .live) {
                    lost += 1
                }
            }
            torn.add(wrong, ordering: .relaxed)
            missed.add(lost, ordering: .relaxed)
            seen.add(found, ordering: .relaxed)
        }
        onThreads({ write() }, { read() }, { read() }, { read() })
        #expect(torn.load(ordering: .relaxed) == 0)
        #expect(missed.load(ordering: .relaxed) == 0)
        #expect(seen.load(ordering: .relaxed) > 0)
        #expect(lastingCount.load(ordering: .relaxed) > 600)
        #expect(rounds.load(ordering: .relaxed) > 10)
    }
}
