/// All resources of one load: what the policy compiler reads.
///
/// Only resources without an error are in it, so it must not be used if the load reported one: a policy that is missing
/// could have denied something.
public struct ResourceSet: Sendable, Equatable {
    /// As they came; order and tier decide, not the place here.
    public var policies: [NetworkPolicy]
    /// Holds the tier `default` always.
    public var tiers: [Tier]
    public var networkSets: [NetworkSet]
    public var endpoints: [WorkloadEndpoint]

    /// Adds the tier `default` if `tiers` lacks it. Checks nothing across resources.
    public init(
        policies: [NetworkPolicy] = [], tiers: [Tier] = [], networkSets: [NetworkSet] = [], endpoints: [WorkloadEndpoint] = []
    ) {
        self.policies = policies
        self.tiers = tiers.contains { $0.name == Tier.defaultName } ? tiers : tiers + [.default]
        self.networkSets = networkSets
        self.endpoints = endpoints
    }

    /// Decodes and checks the documents of one load, each resource by itself and all together. Documents without content
    /// are passed over. Appends every finding to `problems`.
    public init(decoding documents: [ConfigurationNode], _ problems: inout DiagnosticList) {
        var decoder = ResourceDecoder()
        for document in documents { decoder.decode(document, &problems) }
        self.init(
            policies: decoder.policies, tiers: decoder.tiers, networkSets: decoder.networkSets, endpoints: decoder.endpoints)
        checkReferences(decoder.references, &problems)
    }
}
