import PolicyModel

extension ResourceSet {
    /// The resources as the set that a load would give.
    public init(_ resources: [Resource]) {
        self.init()
        tiers = []
        for resource in resources {
            switch resource {
            case .policy(let policy): policies.append(policy)
            case .tier(let tier): tiers.append(tier)
            case .networkSet(let set): networkSets.append(set)
            case .workloadEndpoint(let endpoint): endpoints.append(endpoint)
            case .hostEndpoint(let endpoint): hostEndpoints.append(endpoint)
            case .profile(let profile): profiles.append(profile)
            case .namespace(let namespace): namespaces.append(namespace)
            case .serviceAccount(let account): serviceAccounts.append(account)
            case .serviceEndpoints(let slice): serviceEndpoints.append(slice)
            case .felixConfiguration(let felix): felixConfigurations.append(felix)
            }
        }
        if !tiers.contains(where: { $0.name == Tier.defaultName }) { tiers.append(.default) }
    }
}
