/// All resources of one load: what the policy compiler reads.
///
/// Only resources without an error are in it, so it must not be used if the load reported one: a policy that is missing
/// could have denied something.
public struct ResourceSet: Sendable, Equatable {
    /// As they came; order and tier decide, not the place here.
    public var policies: [NetworkPolicy]
    /// Holds the tier `default` always, and the others that Calico fixes if a policy is in them.
    public var tiers: [Tier]
    public var networkSets: [NetworkSet]
    public var endpoints: [WorkloadEndpoint]
    public var hostEndpoints: [HostEndpoint]
    public var profiles: [Profile]
    public var namespaces: [Namespace]
    public var serviceAccounts: [ServiceAccount]
    public var serviceEndpoints: [ServiceEndpoints]
    public var felixConfigurations: [FelixConfiguration]

    /// Adds the tier `default`, and the fixed tiers that policies name, if `tiers` lacks them. Checks nothing across resources.
    public init(
        policies: [NetworkPolicy] = [], tiers: [Tier] = [], networkSets: [NetworkSet] = [], endpoints: [WorkloadEndpoint] = [],
        hostEndpoints: [HostEndpoint] = [], profiles: [Profile] = [], namespaces: [Namespace] = [], serviceAccounts: [ServiceAccount] = [],
        serviceEndpoints: [ServiceEndpoints] = [], felixConfigurations: [FelixConfiguration] = []
    ) {
        self.policies = policies
        self.tiers = Self.completing(tiers, for: policies)
        self.networkSets = networkSets
        self.endpoints = endpoints
        self.hostEndpoints = hostEndpoints
        self.profiles = profiles
        self.namespaces = namespaces
        self.serviceAccounts = serviceAccounts
        self.serviceEndpoints = serviceEndpoints
        self.felixConfigurations = felixConfigurations
    }

    static func completing(_ tiers: [Tier], for policies: [NetworkPolicy]) -> [Tier] {
        let defined = Set(tiers.map(\.name))
        let named = Set(policies.map(\.tier)).union([Tier.defaultName]).subtracting(defined)
        return tiers + named.sorted().compactMap(Tier.builtIn)
    }

    /// Everything, each kind by itself.
    public var all: [Resource] {
        policies.map(Resource.policy) + tiers.map(Resource.tier) + networkSets.map(Resource.networkSet)
            + endpoints.map(Resource.workloadEndpoint) + hostEndpoints.map(Resource.hostEndpoint) + profiles.map(Resource.profile)
            + namespaces.map(Resource.namespace) + serviceAccounts.map(Resource.serviceAccount)
            + serviceEndpoints.map(Resource.serviceEndpoints) + felixConfigurations.map(Resource.felixConfiguration)
    }

    /// Decodes and checks the documents of one load, each resource by itself and all together. Documents without content
    /// are passed over. Appends every finding to `problems`.
    public init(decoding documents: [ConfigurationNode], _ problems: inout DiagnosticList) {
        self.init(combining: [DecodedFile(decoding: documents)], &problems)
    }
}
