/// The kinds of resources that Exeat reads, in their origin's spelling. Kinds that mean the same resource in another form
/// (`crd.projectcalico.org/v1`, lists) are not told apart.
public enum ResourceKind: String, Sendable, Hashable, CaseIterable {
    // projectcalico.org/v3
    case networkPolicy = "NetworkPolicy"
    case globalNetworkPolicy = "GlobalNetworkPolicy"
    case stagedNetworkPolicy = "StagedNetworkPolicy"
    case stagedGlobalNetworkPolicy = "StagedGlobalNetworkPolicy"
    case stagedKubernetesNetworkPolicy = "StagedKubernetesNetworkPolicy"
    case tier = "Tier"
    case networkSet = "NetworkSet"
    case globalNetworkSet = "GlobalNetworkSet"
    case workloadEndpoint = "WorkloadEndpoint"
    case hostEndpoint = "HostEndpoint"
    case profile = "Profile"
    case felixConfiguration = "FelixConfiguration"

    // Kubernetes. A NetworkPolicy of networking.k8s.io/v1 shares its kind's name with Calico's.
    case kubernetesNetworkPolicy = "NetworkPolicy (networking.k8s.io)"
    case clusterNetworkPolicy = "ClusterNetworkPolicy"
    case namespace = "Namespace"
    case serviceAccount = "ServiceAccount"
    case endpointSlice = "EndpointSlice"

    // Other dialects.
    case ciliumNetworkPolicy = "CiliumNetworkPolicy"
    case ciliumClusterwideNetworkPolicy = "CiliumClusterwideNetworkPolicy"
    case egressFirewall = "EgressFirewall"
    case serviceEntry = "ServiceEntry"

    /// What a file says under `kind`.
    public var name: String { self == .kubernetesNetworkPolicy ? "NetworkPolicy" : rawValue }

    /// Whether its resources live in a namespace.
    public var isNamespaced: Bool {
        switch self {
        case .networkPolicy, .stagedNetworkPolicy, .stagedKubernetesNetworkPolicy, .networkSet, .workloadEndpoint, .kubernetesNetworkPolicy,
            .serviceAccount, .endpointSlice, .ciliumNetworkPolicy, .egressFirewall, .serviceEntry:
            true
        case .globalNetworkPolicy, .stagedGlobalNetworkPolicy, .tier, .globalNetworkSet, .hostEndpoint, .profile, .felixConfiguration,
            .clusterNetworkPolicy, .namespace, .ciliumClusterwideNetworkPolicy:
            false
        }
    }

    /// Whether it becomes policies.
    public var isPolicy: Bool {
        switch self {
        case .networkPolicy, .globalNetworkPolicy, .stagedNetworkPolicy, .stagedGlobalNetworkPolicy, .stagedKubernetesNetworkPolicy,
            .kubernetesNetworkPolicy, .clusterNetworkPolicy, .ciliumNetworkPolicy, .ciliumClusterwideNetworkPolicy, .egressFirewall:
            true
        case .tier, .networkSet, .globalNetworkSet, .workloadEndpoint, .hostEndpoint, .profile, .felixConfiguration, .namespace,
            .serviceAccount, .endpointSlice, .serviceEntry:
            false
        }
    }

    /// Whether it becomes sets of addresses and names.
    public var isNetworkSet: Bool { self == .networkSet || self == .globalNetworkSet || self == .serviceEntry }
}
