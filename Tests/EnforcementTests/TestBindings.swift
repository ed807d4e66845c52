import DomainNames
import Enforcement
import NetworkTypes
import PolicyEngine

/// A NameTable with what surrounds it, and short words for its use.
final class TestBindings {
    var compiler = PolicyCompiler()
    var policy: CompiledPolicy
    let memory: SharedMemory
    var table: AddressTable
    var names: NameTable

    init(
        _ yaml: String = TestPolicy.allow("'*.example.org'"), limits: BindingLimits = .small, slots: Int = 4_096,
        seed: (UInt64, UInt64) = (1, 2)
    ) throws {
        policy = try TestPolicy.compile(yaml, &compiler)
        memory = SharedMemory(byteCount: BindingStore.byteCount(capacity: limits.bindings))
        table = AddressTable(slots: slots, seed: seed)
        names = NameTable(
            limits: limits, table: table, store: BindingStore(memory, capacity: limits.bindings, bootMark: 1), policy: policy,
            now: Instant(seconds: 0))
    }

    @discardableResult
    func learn(
        _ text: String, _ addresses: [IPAddress], ttl: UInt32 = 20, client: EndpointID = TestPolicy.web, at seconds: UInt64 = 0
    ) throws -> NameTableFullness? {
        let result = names.learn(try domain(text), addresses, timeToLiveSeconds: ttl, client: client, now: Instant(seconds: seconds))
        if case .failure(let fullness) = result { return fullness }
        return nil
    }

    @discardableResult
    func learn(
        _ text: String, _ addresses: String..., ttl: UInt32 = 20, client: EndpointID = TestPolicy.web, at seconds: UInt64 = 0
    ) throws -> NameTableFullness? {
        try learn(text, addresses.map { address($0) }, ttl: ttl, client: client, at: seconds)
    }

    /// Whether the address is held under a pattern of the policy.
    func isBound(
        _ text: String, client: EndpointID = TestPolicy.web, at instant: Instant = Instant(seconds: 0),
        _ liveness: AddressTable.Liveness = .live, under policy: CompiledPolicy? = nil
    ) -> Bool {
        var numbers = table.numbers(client, boundTo: address(text), now: instant, liveness: liveness)
        while let number = numbers.next() {
            if number != anyName, (policy ?? self.policy).containsPattern(number) { return true }
        }
        return false
    }

    func isBound(
        _ text: String, client: EndpointID = TestPolicy.web, at seconds: UInt64, _ liveness: AddressTable.Liveness = .live
    ) -> Bool {
        isBound(text, client: client, at: Instant(seconds: seconds), liveness)
    }

    func sweep(at seconds: UInt64) { names.sweep(.max, now: Instant(seconds: seconds)) }

    /// Complete sweeps over conntrack that see a flow of `web` to these addresses and nothing else.
    func release(sweepsAt instants: UInt64..., unless used: String...) {
        let used = used.map { address($0) }
        for seconds in instants {
            names.releaseDraining(sweepBegan: Instant(seconds: seconds)) { client, destination in
                client == TestPolicy.web && used.contains(destination)
            }
        }
    }

    func admit(_ text: String, at seconds: UInt64) { table.noteAdmission(TestPolicy.web, address(text), now: Instant(seconds: seconds)) }

    /// The addresses under this name in this state, sorted.
    func addresses(_ text: String, _ state: BindingStore.State) throws -> [String] {
        let wanted = try domain(text)
        var found: [IPAddress] = []
        names.forEachBinding { _, name, address, _, itsState in
            if name == wanted, itsState == state { found.append(address) }
        }
        return found.sorted().map(\.description)
    }

    /// A new process over the same memory.
    func restart(at seconds: UInt64, bootMark: UInt64 = 1, policy newPolicy: CompiledPolicy? = nil) {
        if let newPolicy { policy = newPolicy }
        table = AddressTable(slots: 4_096, seed: (3, 4))
        names = NameTable(
            limits: names.limits, table: table, store: BindingStore(memory, capacity: names.limits.bindings, bootMark: bootMark),
            policy: policy,
            now: Instant(seconds: seconds))
    }
}

extension BindingLimits {
    /// 64 bindings, 20 for each client, 6 names for each client, 4 addresses for each name; floor 5 s, ceiling 100 s, grace 10 s, nothing
    /// remembered.
    static var small: BindingLimits {
        var limits = BindingLimits()
        limits.bindings = 64
        limits.bindingsPerClient = 20
        limits.namesPerClient = 6
        limits.addressesPerName = 4
        limits.ceilingSeconds = 100
        limits.redialSeconds = 0
        return limits
    }
}
