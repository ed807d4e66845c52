/// The API groups and versions that Exeat reads, and the kinds of each.
enum ResourceVersion: String, CaseIterable {
    case calico = "projectcalico.org/v3"
    /// How Calico itself stores its resources in Kubernetes.
    case calicoInternal = "crd.projectcalico.org/v1"
    case core = "v1"
    case discovery = "discovery.k8s.io/v1"
    case networking = "networking.k8s.io/v1"
    case clusterPolicy = "policy.networking.k8s.io/v1alpha2"
    case cilium = "cilium.io/v2"
    case ovn = "k8s.ovn.org/v1"
    case istio = "networking.istio.io/v1"
    case istioBeta = "networking.istio.io/v1beta1"
    case istioAlpha = "networking.istio.io/v1alpha3"

    var kinds: [ResourceKind] {
        switch self {
        case .calico, .calicoInternal:
            [
                .networkPolicy, .globalNetworkPolicy, .stagedNetworkPolicy, .stagedGlobalNetworkPolicy, .stagedKubernetesNetworkPolicy,
                .tier, .networkSet, .globalNetworkSet, .workloadEndpoint, .hostEndpoint, .profile, .felixConfiguration,
            ]
        case .core: [.namespace, .serviceAccount]
        case .discovery: [.endpointSlice]
        case .networking: [.kubernetesNetworkPolicy]
        case .clusterPolicy: [.clusterNetworkPolicy]
        case .cilium: [.ciliumNetworkPolicy, .ciliumClusterwideNetworkPolicy]
        case .ovn: [.egressFirewall]
        case .istio, .istioBeta, .istioAlpha: [.serviceEntry]
        }
    }

    func kind(named name: String) -> ResourceKind? { kinds.first { $0.name == name } }
}
