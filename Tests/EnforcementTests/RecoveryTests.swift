import Enforcement
import NetworkTypes
import PolicyEngine
import Testing

/// Bindings outlive the process: what the next one finds in the mapped memory.
struct RecoveryTests {
    @Test func `after a restart bindings live for the rest of their lease`() throws {
        let bindings = try TestBindings()
        try bindings.learn("a.example.org", "192.0.2.1", "2001:db8::1", ttl: 20, at: 100)
        try bindings.learn("b.example.org", "192.0.2.2", ttl: 50, client: TestPolicy.db, at: 100)
        bindings.restart(at: 110)
        #expect(bindings.names.counters.recovered == 3)
        #expect(bindings.isBound("192.0.2.1", at: 130))
        #expect(bindings.isBound("2001:db8::1", at: 130))
        #expect(!bindings.isBound("192.0.2.1", at: Instant(seconds: 130).advanced(byNanoseconds: 1)))
        #expect(bindings.isBound("192.0.2.2", client: TestPolicy.db, at: 160))
        #expect(!bindings.isBound("192.0.2.2", client: TestPolicy.db, at: 161))
        #expect(!bindings.isBound("192.0.2.1", client: TestPolicy.db, at: 110))
        // And once more: what was taken over is written down again.
        bindings.restart(at: 120)
        #expect(bindings.names.bindingCount == 3)
        #expect(bindings.isBound("192.0.2.1", at: 130))
    }

    @Test func `what ended just before the restart drains, what ended long ago is gone`() throws {
        let bindings = try TestBindings()
        try bindings.learn("a.example.org", "192.0.2.1", ttl: 20, at: 100)
        bindings.restart(at: 130 + NameTable.sweepSecondsMax)
        #expect(!bindings.isBound("192.0.2.1", at: 190))
        #expect(bindings.isBound("192.0.2.1", at: 190, .liveOrDraining))
        let older = try TestBindings()
        try older.learn("a.example.org", "192.0.2.1", ttl: 20, at: 100)
        older.restart(at: 131 + NameTable.sweepSecondsMax)
        #expect(older.names.bindingCount == 0)
    }

    @Test func `a draining binding is kept however old`() throws {
        let bindings = try TestBindings()
        try bindings.learn("a.example.org", "192.0.2.1", ttl: 20, at: 100)
        bindings.table.noteAdmission(TestPolicy.web, address("192.0.2.1"), now: Instant(seconds: 101))
        bindings.sweep(at: 200)
        bindings.restart(at: 10_000)
        #expect(bindings.isBound("192.0.2.1", at: 10_000, .liveOrDraining))
        bindings.sweep(at: 10_001)
        #expect(bindings.names.drainingCount == 1)
    }

    @Test func `bindings of another boot and of endpoints that are gone are not taken over`() throws {
        let bindings = try TestBindings()
        try bindings.learn("a.example.org", "192.0.2.1", at: 100)
        try bindings.learn("a.example.org", "192.0.2.1", client: TestPolicy.db, at: 100)
        let yaml = TestPolicy.allow("'*.example.org'")
        let left = TestPolicy.endpoints.filter { $0.name != "web" }
        bindings.restart(at: 101, policy: try TestPolicy.compile(yaml, &bindings.compiler, endpoints: left))
        #expect(bindings.names.bindingCount == 1)
        #expect(bindings.isBound("192.0.2.1", client: TestPolicy.db, at: 101))
        bindings.restart(at: 102, bootMark: 2)
        #expect(bindings.names.bindingCount == 0)
        bindings.restart(at: 103, bootMark: 2)
        #expect(bindings.names.bindingCount == 0)
    }

    @Test func `an expiry that no lease can have is not believed`() throws {
        var limits = BindingLimits.small
        limits.ceilingSeconds = 86_400
        let memory = SharedMemory(byteCount: BindingStore.byteCount(capacity: 64))
        var compiler = PolicyCompiler()
        let policy = try TestPolicy.compile(TestPolicy.allow("'*.example.org'"), &compiler)
        func open(_ limits: BindingLimits) -> NameTable {
            NameTable(
                limits: limits, table: AddressTable(slots: 1_024, seed: (1, 1)), store: BindingStore(memory, capacity: 64, bootMark: 1),
                policy: policy, now: Instant(seconds: 0))
        }
        var names = open(limits)
        _ = names.learn(
            try domain("a.example.org"), [address("192.0.2.1")], timeToLiveSeconds: 50_000, client: TestPolicy.web, now: Instant(seconds: 0)
        )
        limits.ceilingSeconds = 100
        #expect(open(limits).bindingCount == 0)
    }

    /// The layout in BindingStore: a header of 4096 bytes, then records of 320; the name begins at byte 40 of a record.
    @Test(arguments: [
        (4096 + 0, 1, "a state that does not exist"), (4096 + 4, 1, "the client"), (4096 + 24, 1, "the address"),
        (4096 + 32, 1, "the family"),
        (4096 + 33, 1, "the length of the name"), (4096 + 33, 2, "a length that leaves the record"), (4096 + 36, 1, "the checksum"),
        (4096 + 45, 1, "the name"),
    ])
    func `a torn record is passed over, the others are taken over`(row: (offset: Int, count: Int, what: String)) throws {
        let byteCount = BindingStore.byteCount(capacity: 64)
        let bytes = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 4096)
        unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
        defer { unsafe bytes.deallocate() }
        var compiler = PolicyCompiler()
        let policy = try TestPolicy.compile(TestPolicy.allow("'*.example.org'"), &compiler)
        let memory = unsafe SharedMemory(base: bytes, byteCount: byteCount) {}
        func open() -> NameTable {
            NameTable(
                limits: .small, table: AddressTable(slots: 1_024, seed: (1, 1)), store: BindingStore(memory, capacity: 64, bootMark: 1),
                policy: policy, now: Instant(seconds: 0))
        }
        var names = open()
        for text in ["192.0.2.1", "192.0.2.2"] {
            _ = names.learn(
                try domain("a.example.org"), [address(text)], timeToLiveSeconds: 50, client: TestPolicy.web, now: Instant(seconds: 0))
        }
        for step in 0..<row.count {
            let old = unsafe bytes.load(fromByteOffset: row.offset, as: UInt8.self)
            unsafe bytes.storeBytes(of: step == 0 ? old ^ 0x15 : 0xff, toByteOffset: row.offset, as: UInt8.self)
        }
        var kept: [String] = []
        open().forEachBinding { _, _, address, _, _ in kept.append("\(address)") }
        #expect(kept == ["192.0.2.2"], "\(row.what)")
    }

    @Test(arguments: [0, 8, 12, 16, 24])
    func `a file of another layout, size or boot begins empty`(offset: Int) throws {
        let byteCount = BindingStore.byteCount(capacity: 64)
        let bytes = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 4096)
        unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
        defer { unsafe bytes.deallocate() }
        let memory = unsafe SharedMemory(base: bytes, byteCount: byteCount) {}
        #expect(!BindingStore(memory, capacity: 64, bootMark: 1).wasKept)
        #expect(BindingStore(memory, capacity: 64, bootMark: 1).wasKept)
        let old = unsafe bytes.load(fromByteOffset: offset, as: UInt8.self)
        unsafe bytes.storeBytes(of: old ^ 0xff, toByteOffset: offset, as: UInt8.self)
        #expect(!BindingStore(memory, capacity: 64, bootMark: 1).wasKept)
        #expect(BindingStore(memory, capacity: 64, bootMark: 1).wasKept)
    }

    @Test func `the name of a record is told to its client and for its address alone`() throws {
        let memory = SharedMemory(byteCount: BindingStore.byteCount(capacity: 64))
        let store = BindingStore(memory, capacity: 64, bootMark: 1)
        var compiler = PolicyCompiler()
        let policy = try TestPolicy.compile(TestPolicy.allow("'*.example.org'"), &compiler)
        let table = AddressTable(slots: 1_024, seed: (1, 1))
        var names = NameTable(limits: .small, table: table, store: store, policy: policy, now: Instant(seconds: 0))
        let bound = address("192.0.2.1")
        _ = names.learn(try domain("a.example.org"), [bound], timeToLiveSeconds: 5, client: TestPolicy.web, now: Instant(seconds: 0))
        let record = try #require(table.record(TestPolicy.web, bound, anyName))
        #expect(store.name(ofRecord: record, client: TestPolicy.web, address: bound) == (try domain("a.example.org")))
        #expect(store.name(ofRecord: record, client: TestPolicy.db, address: bound) == nil)
        #expect(store.name(ofRecord: record, client: TestPolicy.web, address: address("192.0.2.2")) == nil)
        #expect(store.name(ofRecord: -1, client: TestPolicy.web, address: bound) == nil)
        #expect(store.name(ofRecord: 64, client: TestPolicy.web, address: bound) == nil)
        names.sweep(.max, now: Instant(seconds: 100))
        #expect(store.name(ofRecord: record, client: TestPolicy.web, address: bound) == nil)
    }
}
