import DomainNames
import Enforcement
import NetworkTypes
import PolicyEngine
import PolicyModel
import Testing

@Suite struct FullTableTests {
    /// What did not fit the first time must not be taken for held the second time (invariant 1).
    @Test func `an answer that found no place in the table is refused again when it is asked for again`() throws {
        let api = try DomainPattern(parsing: "*.example.org", dialect: .calico)
        let pod = WorkloadEndpoint(name: "web", namespace: "default", addresses: [IPAddress(v4: 0xc633_6401)], interfaceName: "cali1")
        let policy = NetworkPolicy(
            name: "web", namespace: "default", types: [.egress],
            egress: [PolicyRule(action: .allow, destination: EntityRule(domains: [api]))])
        var compiler = PolicyCompiler()
        let compiled = compiler.compile(ResourceSet(policies: [policy], endpoints: [pod])) { _ in EndpointID(rawValue: 0) }
        var limits = BindingLimits()
        limits.bindings = 4_096
        let store = BindingStore(
            SharedMemory(byteCount: BindingStore.byteCount(capacity: limits.bindings)), capacity: limits.bindings, bootMark: 1)
        // The smallest table, with fewer slots than two for each binding.
        let table = AddressTable(slots: 1, seed: (1, 2))
        let now = Instant(seconds: 1_000)
        var names = NameTable(limits: limits, table: table, store: store, policy: compiled, now: now)
        var refused: [(DomainName, IPAddress)] = []
        for number in 0..<2_000 {
            let name = try DomainName(parsing: "n\(number).example.org")
            let address = IPAddress(v4: 0xc612_0000 + UInt32(number))
            if case .failure(.bindings) = names.learn(name, [address], timeToLiveSeconds: 60, client: EndpointID(rawValue: 0), now: now) {
                refused.append((name, address))
            }
        }
        #expect(refused.count > 100)
        for (name, address) in refused {
            let again = names.learn(name, [address], timeToLiveSeconds: 60, client: EndpointID(rawValue: 0), now: now)
            guard case .failure(.bindings) = again else {
                Issue.record("\(name) \(address) was released without being published")
                return
            }
        }
    }
}
