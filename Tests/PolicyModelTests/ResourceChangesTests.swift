import DomainNames
import NetworkTypes
import PolicyModel
import Testing

struct ResourceChangesTests {
    private static func policy(_ name: String, namespace: String? = nil, line: Int = 1, order: Double? = nil) -> NetworkPolicy {
        NetworkPolicy(
            name: name, namespace: namespace, order: order, types: [.egress],
            location: SourceLocation(file: "f.yaml", line: line, column: 1))
    }

    private static func endpoint(_ name: String, labels: [String: String] = [:]) -> WorkloadEndpoint {
        WorkloadEndpoint(name: name, namespace: "default", labels: labels, addresses: [], interfaceName: "veth-\(name)")
    }

    @Test func `equal sets have no changes, in whatever order they come`() {
        let one = ResourceSet(policies: [Self.policy("a"), Self.policy("b")], endpoints: [Self.endpoint("x"), Self.endpoint("y")])
        let other = ResourceSet(policies: [Self.policy("b"), Self.policy("a")], endpoints: [Self.endpoint("y"), Self.endpoint("x")])
        #expect(ResourceChanges.between(one, one).isEmpty)
        #expect(ResourceChanges.between(one, other).isEmpty)
    }

    @Test func `what is new, other or gone is named once`() {
        let old = ResourceSet(
            policies: [Self.policy("same"), Self.policy("other", order: 1), Self.policy("gone")], endpoints: [Self.endpoint("x")])
        let new = ResourceSet(
            policies: [Self.policy("new"), Self.policy("other", order: 2), Self.policy("same")],
            endpoints: [Self.endpoint("x", labels: ["app": "shop"])])
        let changes = ResourceChanges.between(old, new)
        #expect(
            changes.upserts == [
                .policy(Self.policy("new")), .policy(Self.policy("other", order: 2)),
                .workloadEndpoint(Self.endpoint("x", labels: ["app": "shop"])),
            ])
        #expect(changes.removals == [ResourceKey(.globalNetworkPolicy, name: "gone")])
    }

    @Test func `a policy that moved by a line is a change`() {
        let old = ResourceSet(policies: [Self.policy("a", line: 1)])
        let new = ResourceSet(policies: [Self.policy("a", line: 2)])
        #expect(ResourceChanges.between(old, new).upserts == [.policy(Self.policy("a", line: 2))])
    }

    @Test func `kinds with one name are told apart`() {
        let calico = NetworkPolicy(name: "web", namespace: "default")
        let kubernetes = NetworkPolicy(name: "web", kind: .kubernetesNetworkPolicy, namespace: "default")
        let set = NetworkSet(name: "web", namespace: "default")
        let entry = NetworkSet(name: "web", kind: .serviceEntry, namespace: "default")
        let old = ResourceSet(policies: [calico, kubernetes], networkSets: [set, entry])
        let new = ResourceSet(policies: [calico], networkSets: [set])
        #expect(
            ResourceChanges.between(old, new).removals == [
                ResourceKey(.kubernetesNetworkPolicy, namespace: "default", name: "web"),
                ResourceKey(.serviceEntry, namespace: "default", name: "web"),
            ])
        #expect(Set([calico.key, kubernetes.key, set.key, entry.key]).count == 4)
    }

    @Test func `every kind of resource is compared`() {
        let new = ResourceSet(
            policies: [Self.policy("a")], tiers: [Tier(name: "t")], networkSets: [NetworkSet(name: "s")], endpoints: [Self.endpoint("x")],
            hostEndpoints: [HostEndpoint(name: "h")], profiles: [Profile(name: "p")], namespaces: [Namespace(name: "n")],
            serviceAccounts: [ServiceAccount(name: "a", namespace: "n")],
            serviceEndpoints: [ServiceEndpoints(name: "e", namespace: "n", service: "s", addresses: [], ports: [])],
            felixConfigurations: [FelixConfiguration()])
        let changes = ResourceChanges.between(ResourceSet(), new)
        // The tier `default` is in both.
        #expect(changes.upserts.count == new.all.count - 1)
        #expect(Set(changes.upserts.map(\.key)).count == 10)
        #expect(Set(ResourceChanges.between(new, ResourceSet()).removals) == Set(changes.upserts.map(\.key)))
    }

    @Test func `applying the changes to the old set gives the new one`() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            func random() -> ResourceSet {
                ResourceSet(
                    policies: (0..<8).shuffled(using: &generator).prefix(5).map {
                        Self.policy("p\($0)", order: Double(Int.random(in: 0..<2, using: &generator)))
                    },
                    endpoints: (0..<8).shuffled(using: &generator).prefix(5).map {
                        Self.endpoint("e\($0)", labels: ["v": "\(Int.random(in: 0..<2, using: &generator))"])
                    })
            }
            let (old, new) = (random(), random())
            let changes = ResourceChanges.between(old, new)
            var held = Dictionary(uniqueKeysWithValues: old.all.map { ($0.key, $0) })
            for key in changes.removals { #expect(held.removeValue(forKey: key) != nil) }
            for resource in changes.upserts {
                #expect(held[resource.key] != resource)
                held[resource.key] = resource
            }
            #expect(held == Dictionary(uniqueKeysWithValues: new.all.map { ($0.key, $0) }))
        }
    }

    @Test func `one changed policy among ten thousand is found in the time of one pass`() throws {
        let rule = PolicyRule(
            action: .allow, protocol: .tcp,
            destination: EntityRule(domains: try (0..<5).map { try DomainPattern(parsing: "d\($0).example.org", dialect: .calico) }))
        let policies = (0..<10_000).map { NetworkPolicy(name: "p\($0)", order: Double($0), egress: [rule]) }
        var changed = policies
        changed[5_000].order = -1
        let old = ResourceSet(policies: policies)
        let new = ResourceSet(policies: changed)
        let clock = ContinuousClock()
        var best = Duration.seconds(10)
        for _ in 0..<3 {
            best = min(best, clock.measure { #expect(ResourceChanges.between(old, new).upserts.count == 1) })
        }
        // Generous: a debug build on a busy machine.
        #expect(best < .seconds(1), "\(best)")
    }
}
