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
}
