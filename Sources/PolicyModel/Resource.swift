/// One resource of any kind, as the policy compiler takes it.
public enum Resource: Sendable, Hashable {
    case policy(NetworkPolicy)
    case tier(Tier)
    case networkSet(NetworkSet)
    case workloadEndpoint(WorkloadEndpoint)
    case hostEndpoint(HostEndpoint)
    case profile(Profile)
    case namespace(Namespace)
    case serviceAccount(ServiceAccount)
    case serviceEndpoints(ServiceEndpoints)
    case felixConfiguration(FelixConfiguration)

    public var key: ResourceKey {
        switch self {
        case .policy(let policy): policy.key
        case .tier(let tier): ResourceKey(.tier, name: tier.name)
        case .networkSet(let set): set.key
        case .workloadEndpoint(let endpoint): ResourceKey(.workloadEndpoint, namespace: endpoint.namespace, name: endpoint.name)
        case .hostEndpoint(let endpoint): ResourceKey(.hostEndpoint, name: endpoint.name)
        case .profile(let profile): ResourceKey(.profile, name: profile.name)
        case .namespace(let namespace): ResourceKey(.namespace, name: namespace.name)
        case .serviceAccount(let account): ResourceKey(.serviceAccount, namespace: account.namespace, name: account.name)
        case .serviceEndpoints(let slice): ResourceKey(.endpointSlice, namespace: slice.namespace, name: slice.name)
        case .felixConfiguration(let felix): ResourceKey(.felixConfiguration, name: felix.name)
        }
    }
}
