import PolicyModel

/// The kinds of other dialects, for files in tests.
enum DialectFile: String, CaseIterable {
    case kubernetes = "networking.k8s.io/v1 NetworkPolicy shop"
    case staged = "projectcalico.org/v3 StagedKubernetesNetworkPolicy shop"
    case cluster = "policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy"
    case cilium = "cilium.io/v2 CiliumNetworkPolicy shop"
    case clusterwide = "cilium.io/v2 CiliumClusterwideNetworkPolicy"
    case firewall = "k8s.ovn.org/v1 EgressFirewall shop"
    case entry = "networking.istio.io/v1 ServiceEntry shop"

    /// The file, `spec` from line 5 on; the name is `web`, `default` of a firewall.
    func yaml(_ spec: String, name: String? = nil, metadata: String = "", top: String = "spec") -> String {
        let words = rawValue.split(separator: " ")
        let lines = spec.split(separator: "\n", omittingEmptySubsequences: false).map { "  \($0)" }.joined(separator: "\n")
        let namespace = words.count > 2 ? ", namespace: \(words[2])" : ""
        return """
            apiVersion: \(words[0])
            kind: \(words[1])
            metadata: {name: \(name ?? (self == .firewall ? "default" : "web"))\(namespace)\(metadata)}
            \(top):
            \(lines)
            """
    }

    func load(_ spec: String, metadata: String = "") -> (resources: ResourceSet, diagnostics: [PolicyDiagnostic]) {
        PolicyModelTests.load(yaml(spec, metadata: metadata))
    }
}
