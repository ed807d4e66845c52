import Enforcement
import NetworkTypes
import PolicyEngine
import PolicyModel
import Testing

/// Which generation an endpoint gets, when some may still be borne.
struct GenerationsTests {
    private static let source = address("198.51.100.1")
    private static let start = Instant(seconds: 1_000)

    private static func policy(_ domains: String, _ compiler: inout PolicyCompiler, _ id: EndpointID) throws -> CompiledPolicy {
        let pod = TestPolicy.endpoint("web", "198.51.100.1", app: "web")
        return compiler.compile(try TestPolicy.resources(TestPolicy.allow(domains), endpoints: [pod])) { _ in id }
    }

    private static func registry() -> EndpointRegistry {
        EndpointRegistry(SharedMemory(byteCount: EndpointRegistry.byteCount(capacity: 4)), capacity: 4, generationMax: 3)
    }

    @Test func `what a kernel lease or a verdict on its way may bear is passed over, for the next owner of an address too`() throws {
        var compiler = PolicyCompiler()
        var registry = Self.registry()
        let number = registry.register("default/web")
        let id = try #require(number)
        let policy = try Self.policy("api.example.org", &compiler, id)
        var retired = RetiredGenerations()
        // The owner before had 1 and 2.
        for generation in 1...2 as ClosedRange<UInt16> { retired.retire(generation, of: Self.source, now: Self.start) }
        let given = registry.generations(
            for: policy, previous: nil, retired: retired, now: Self.start, isClean: { _ in true }, marks: { [:] })
        #expect(given.values == [3])
        #expect(given.changed == 1)
        #expect(given.exhausted.isEmpty)
    }

    @Test func `an endpoint that takes the place of another does not get the generation of that one`() throws {
        var compiler = PolicyCompiler()
        var registry = Self.registry()
        let firstNumber = registry.register("default/web")
        let first = try #require(firstNumber)
        let before = try Self.policy("api.example.org", &compiler, first)
        let given = registry.generations(
            for: before, previous: nil, retired: RetiredGenerations(), now: Self.start, isClean: { _ in true }, marks: { [:] })
        let secondNumber = registry.register("default/other")
        let second = try #require(secondNumber)
        var next = PolicyCompiler()
        let after = try Self.policy("www.example.org", &next, second)
        let taken = registry.generations(
            for: after, previous: before.withGenerations(given.values), retired: RetiredGenerations(), now: Self.start,
            isClean: { _ in true }, marks: { [:] })
        #expect(given.values == [1])
        #expect(taken.values == [2])
    }

    @Test func `if all may be borne one is taken, and the addresses are told; later none is`() throws {
        let rows: [(seconds: UInt64, marks: Set<UInt16>?, isClean: Bool, isExhausted: Bool)] = [
            (0, [], true, true), (RetiredGenerations.restSeconds, [], true, false),
            (RetiredGenerations.restSeconds, [1, 2, 3], false, true), (RetiredGenerations.restSeconds, [1, 3], false, false),
            (RetiredGenerations.restSeconds, nil, false, true),
            // What is known to be clean is not looked at.
            (RetiredGenerations.restSeconds, [1, 2, 3], true, false),
        ]
        for (index, row) in rows.enumerated() {
            var compiler = PolicyCompiler()
            var registry = Self.registry()
            let number = registry.register("default/web")
            let id = try #require(number)
            let policy = try Self.policy("api.example.org", &compiler, id)
            var retired = RetiredGenerations()
            for generation in 1...3 as ClosedRange<UInt16> { retired.retire(generation, of: Self.source, now: Self.start) }
            let given = registry.generations(
                for: policy, previous: nil, retired: retired, now: Self.start.advanced(bySeconds: row.seconds),
                isClean: { _ in row.isClean }, marks: { row.marks.map { [Self.source: $0] } })
            #expect(given.exhausted == (row.isExhausted ? [Self.source] : []), "row \(index)")
        }
    }

    @Test func `an endpoint whose policy is the same keeps its generation although its flows bear it`() throws {
        var compiler = PolicyCompiler()
        var registry = Self.registry()
        let number = registry.register("default/web")
        let id = try #require(number)
        let first = try Self.policy("api.example.org", &compiler, id)
        let before = registry.generations(
            for: first, previous: nil, retired: RetiredGenerations(), now: Self.start, isClean: { _ in true }, marks: { [:] })
        // The next process: it knows no policy before, and finds the flows.
        var next = PolicyCompiler()
        let again = try Self.policy("api.example.org", &next, id)
        let after = registry.generations(
            for: again, previous: nil, retired: RetiredGenerations(), now: Self.start, isClean: { _ in false },
            marks: { [Self.source: [1, 2, 3]] })
        #expect(after.values == before.values)
        #expect(after.exhausted.isEmpty)
    }

    @Test func `what is to be purged is told again until it is, by the next process too`() throws {
        let memory = SharedMemory(byteCount: EndpointRegistry.byteCount(capacity: 4))
        var expected: [Set<IPAddress>] = []
        var values: [UInt16] = []
        for process in 0..<4 {
            var compiler = PolicyCompiler()
            var registry = EndpointRegistry(memory, capacity: 4, generationMax: 3)
            let number = registry.register("default/web")
            let policy = try Self.policy("api.example.org", &compiler, try #require(number))
            // The first two die before they have purged.
            let given = registry.generations(
                for: policy, previous: nil, retired: RetiredGenerations(), now: Self.start, isClean: { _ in false },
                marks: { process == 0 ? [Self.source: [1, 2, 3]] : [:] })
            if process == 2 { registry.notePurged() }
            expected.append(given.exhausted)
            values += given.values
        }
        #expect(expected == [[Self.source], [Self.source], [Self.source], []])
        #expect(Set(values).count == 1)
    }

    @Test func `a generation that nobody could look for is to be purged in the next process too`() throws {
        let memory = SharedMemory(byteCount: EndpointRegistry.byteCount(capacity: 4))
        for marks in [nil, [:]] as [[IPAddress: Set<UInt16>]?] {
            var compiler = PolicyCompiler()
            var registry = EndpointRegistry(memory, capacity: 4, generationMax: 3)
            let number = registry.register("default/web")
            let policy = try Self.policy("api.example.org", &compiler, try #require(number))
            let given = registry.generations(
                for: policy, previous: nil, retired: RetiredGenerations(), now: Self.start, isClean: { _ in false }, marks: { marks })
            #expect(given.exhausted == [Self.source])
        }
    }

    @Test func `an endpoint that shares its addresses gets a generation of its own, and none that flows there bear`() throws {
        var compiler = PolicyCompiler()
        var registry = Self.registry()
        let number = registry.register("default/web")
        let id = try #require(number)
        let policy = try Self.policy("api.example.org", &compiler, id)
        let shared = address("198.51.100.9")
        let given = registry.generations(
            for: policy, previous: nil, retired: RetiredGenerations(), now: Self.start, isClean: { _ in false },
            space: { _ in EndpointRegistry.Space(addresses: [shared], range: 2...3) },
            marks: { [shared: [2], Self.source: [3]] })
        #expect(given.values == [3])
        #expect(given.exhausted.isEmpty)
    }

    @Test func `conntrack is looked at only where a generation may come again`() throws {
        var compiler = PolicyCompiler()
        var registry = Self.registry()
        let number = registry.register("default/web")
        let id = try #require(number)
        var looks: [Int] = []
        var previous: CompiledPolicy?
        for number in 0..<5 {
            var count = 0
            let policy = try Self.policy("n\(number).example.org", &compiler, id)
            let given = registry.generations(
                for: policy, previous: previous, retired: RetiredGenerations(), now: Self.start, isClean: { _ in true },
                marks: {
                    count += 1
                    return [:]
                })
            looks.append(count)
            previous = policy.withGenerations(given.values)
        }
        // 1, 2, 3, and all of the next round.
        #expect(looks == [0, 0, 0, 1, 1])
    }
}
