/// How much a compiler holds, for metrics and for tests that nothing stays behind.
public struct PolicySizes: Sendable, Hashable {
    public let endpoints: Int
    public let policies: Int
    /// Distinct ones, shared by the endpoints.
    public let programs: Int
    /// Distinct address sets of rules.
    public let addressSets: Int
    /// Endpoints, network sets and slices of services.
    public let members: Int
    public let patterns: Int
}

extension PolicyCompiler {
    public var sizes: PolicySizes {
        PolicySizes(
            endpoints: endpoints.count, policies: policySlots.count, programs: programs.count, addressSets: sets.setCount,
            members: sets.memberCount, patterns: patterns.count)
    }
}
