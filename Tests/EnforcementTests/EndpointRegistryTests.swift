import Enforcement
import NetworkTypes
import Testing

struct EndpointRegistryTests {
    private static func memory(_ capacity: Int = 4) -> SharedMemory {
        SharedMemory(byteCount: EndpointRegistry.byteCount(capacity: capacity))
    }

    private static func open(_ memory: SharedMemory, capacity: Int = 4, generationMax: UInt16 = 7) -> TestRegistry {
        TestRegistry(EndpointRegistry(memory, capacity: capacity, generationMax: generationMax))
    }

    /// A reference, so that expectations may speak of it.
    private final class TestRegistry {
        private var registry: EndpointRegistry
        init(_ registry: consuming EndpointRegistry) { self.registry = registry }

        func register(_ identity: String) -> EndpointID? { registry.register(identity) }
        func retain(_ identities: Set<String>) { registry.retain(identities) }
        func isRegistered(_ identity: String) -> Bool { registry.isRegistered(identity) }
        func classNumber(of id: EndpointID) -> UInt8? { registry.classNumber(of: id) }
        func clearClass(of id: EndpointID) { registry.clearClass(of: id) }
        func generation(
            of id: EndpointID, fingerprint: UInt64, in range: ClosedRange<UInt16>? = nil, isBorne: (UInt16) -> Bool
        ) -> UInt16 {
            registry.generation(of: id, fingerprint: fingerprint, in: range, isBorne: isBorne)
        }
    }

    @Test func `numbers and generations outlive a restart`() throws {
        let memory = Self.memory()
        let first = Self.open(memory)
        let web = try #require(first.register("default/web"))
        let db = try #require(first.register("default/db/0123-uid"))
        #expect(web != db)
        #expect(first.register("default/web") == web)
        let generation = first.generation(of: web, fingerprint: 11) { _ in false }
        let changed = first.generation(of: db, fingerprint: 21) { _ in false }
        let again = first.generation(of: db, fingerprint: 22) { _ in false }
        #expect(again != changed)
        let second = Self.open(memory)
        #expect(second.isRegistered("default/web") && second.isRegistered("default/db/0123-uid") && !second.isRegistered("default/d"))
        #expect(second.register("default/db/0123-uid") == db)
        #expect(second.register("default/web") == web)
        #expect(second.generation(of: web, fingerprint: 11) { _ in true } == generation)
        #expect(second.generation(of: db, fingerprint: 22) { _ in true } == again)
        #expect(second.generation(of: web, fingerprint: 12) { _ in false } != generation)
    }

    @Test func `an endpoint whose generations are confined never gets another, and leaves one that is outside`() throws {
        let memory = Self.memory()
        let registry = Self.open(memory, generationMax: 4_087)
        let host = try #require(registry.register("hostendpoint:all"))
        var generation = registry.generation(of: host, fingerprint: 0, in: 260...263) { _ in false }
        #expect(generation == 260)
        for (fingerprint, expected) in [(1, 261), (2, 262), (3, 263), (4, 260)] as [(UInt64, UInt16)] {
            generation = registry.generation(of: host, fingerprint: fingerprint, in: 260...263) { _ in false }
            #expect(generation == expected)
        }
        #expect(registry.generation(of: host, fingerprint: 4, in: 260...263) { _ in true } == 260)
        #expect(registry.generation(of: host, fingerprint: 4, in: 516...519) { $0 == 516 } == 517, "of another class now")
    }

    @Test func `numbers of classes outlive a restart, are given in turn, and end at 14`() throws {
        let memory = Self.memory(20)
        let registry = Self.open(memory, capacity: 20)
        let endpoints = try (0..<15).map { try #require(registry.register("hostendpoint:\($0)")) }
        #expect(endpoints.map { registry.classNumber(of: $0) } == (1...14).map { UInt8($0) } + [nil])
        registry.retain(Set((0..<15).filter { $0 != 3 }.map { "hostendpoint:\($0)" }))
        let again = Self.open(memory, capacity: 20)
        #expect(again.classNumber(of: endpoints[7]) == 8)
        #expect(again.classNumber(of: endpoints[14]) == 4)
        again.clearClass(of: endpoints[0])
        again.clearClass(of: endpoints[9])
        let next = try #require(again.register("hostendpoint:next"))
        #expect(again.classNumber(of: next) == 10, "1 is free as well, and the last one given was 4")
    }

    @Test func `a full registry gives no number and one that is free again rests longest`() throws {
        let registry = Self.open(Self.memory())
        let numbers = ["a", "b", "c", "d"].map { registry.register($0)?.rawValue }
        #expect(numbers == [0, 1, 2, 3])
        #expect(registry.register("e") == nil)
        #expect(!registry.isRegistered("e"))
        registry.retain(["a", "d"])
        #expect(!registry.isRegistered("b"))
        #expect(registry.register("c")?.rawValue == 1)
        #expect(registry.register("e")?.rawValue == 2)
        registry.retain(["a", "d", "e"])
        #expect(registry.register("f")?.rawValue == 1)
        #expect(registry.register("a")?.rawValue == 0)
    }

    @Test func `identities have a longest length`() {
        let registry = Self.open(Self.memory())
        let longest = String(repeating: "x", count: EndpointRegistry.identityBytesMax)
        #expect(registry.register(longest + "x") == nil)
        #expect(registry.register(longest) != nil)
    }

    @Test func `a generation changes exactly with the fingerprint and is never 0`() throws {
        let registry = Self.open(Self.memory())
        let id = try #require(registry.register("a"))
        var seen: [UInt16] = []
        for fingerprint in [5, 5, 6, 6, 5, 0, 0] as [UInt64] {
            seen.append(registry.generation(of: id, fingerprint: fingerprint) { _ in false })
        }
        #expect(seen == [1, 1, 2, 2, 3, 4, 4])
    }

    @Test func `on wrap a generation that some flow bears is passed over`() throws {
        let registry = Self.open(Self.memory())
        let id = try #require(registry.register("a"))
        let first = (1...7).map { fingerprint in registry.generation(of: id, fingerprint: UInt64(fingerprint)) { _ in false } }
        #expect(first == [1, 2, 3, 4, 5, 6, 7])
        let borne: Set<UInt16> = [1, 2, 4]
        #expect(registry.generation(of: id, fingerprint: 8) { borne.contains($0) } == 3)
        #expect(registry.generation(of: id, fingerprint: 9) { borne.contains($0) } == 5)
        #expect(registry.generation(of: id, fingerprint: 10) { _ in false } == 6)
        #expect(registry.generation(of: id, fingerprint: 11) { borne.contains($0) } == 7)
        #expect(registry.generation(of: id, fingerprint: 12) { borne.contains($0) } == 3)
    }

    @Test func `a new slot asks from the start`() throws {
        let registry = Self.open(Self.memory())
        let id = try #require(registry.register("a"))
        #expect(registry.generation(of: id, fingerprint: 1) { $0 <= 3 } == 4)
        // Not wrapped: those above were never given out.
        #expect(registry.generation(of: id, fingerprint: 2) { _ in true } == 5)
    }

    @Test func `when flows bear every generation the one in use is still given up`() throws {
        let registry = Self.open(Self.memory())
        let id = try #require(registry.register("a"))
        var current = registry.generation(of: id, fingerprint: 0) { _ in true }
        for fingerprint in 1...30 as ClosedRange<UInt64> {
            let next = registry.generation(of: id, fingerprint: fingerprint) { _ in true }
            #expect(next != current)
            #expect((1...7).contains(next))
            current = next
        }
    }

    @Test func `fewer generation bits than before begin anew`() throws {
        let memory = Self.memory()
        let wide = Self.open(memory, generationMax: 4_000)
        let id = try #require(wide.register("a"))
        for fingerprint in 0..<20 as Range<UInt64> { _ = wide.generation(of: id, fingerprint: fingerprint) { _ in false } }
        let narrow = Self.open(memory, generationMax: 7)
        #expect(narrow.generation(of: id, fingerprint: 19) { $0 == 1 } == 2)
    }

    @Test func `memory of another layout or size begins empty`() throws {
        let memory = Self.memory(8)
        let registry = Self.open(memory, capacity: 8)
        _ = registry.register("a")
        let other = Self.open(memory, capacity: 4)
        #expect(!other.isRegistered("a"))
        #expect(!Self.open(memory, capacity: 8).isRegistered("a"))
    }
}
