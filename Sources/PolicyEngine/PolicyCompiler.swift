import DomainNames
import NetworkTypes
import PolicyModel

/// Compiles resources to tables. Owned by the control plane; keeps the selector numbers, so that equal domain lists have
/// equal numbers from one compilation to the next.
public struct PolicyCompiler: ~Copyable {
    private var selectorNumbers: [[String]: SelectorNumber] = [:]
    private var nextSelector: SelectorNumber = anyNameSelector + 1
    private var version: UInt32 = 0
    /// What happens to endpoints that no egress policy selects (Kubernetes: allowed).
    private let unselectedAllowed: Bool

    public init(unselectedAllowed: Bool = true) {
        self.unselectedAllowed = unselectedAllowed
    }

    /// Compiles valid resources. `identify` gives each endpoint its number; an endpoint for which it gives nil (the
    /// registry is full) is left out, so that all of its traffic is refused as unknown.
    ///
    /// O(policies x endpoints) selector evaluations; the rules of a policy are compiled once unless they look at the source.
    public mutating func compile(_ resources: ResourceSet, identify: (WorkloadEndpoint) -> EndpointID?) -> CompiledPolicy {
        version &+= 1
        var builder = PolicyTableBuilder(
            resources: resources, unselectedAllowed: unselectedAllowed, numbers: selectorNumbers, next: nextSelector)
        for workload in resources.endpoints {
            guard let id = identify(workload) else { continue }
            builder.add(workload, id: id)
        }
        (selectorNumbers, nextSelector) = (builder.numbers, builder.next)
        return builder.finish(version: version)
    }
}
