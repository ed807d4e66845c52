/// What the rules of one Cilium policy share while they are decoded.
struct CiliumScope {
    /// Nil for a CiliumClusterwideNetworkPolicy.
    let namespace: String?
    /// The first field that means what is outside the cluster, and the first that limits queries: each is warned of once.
    var outside: ConfigurationField?
    var queries: ConfigurationField?

    init(namespace: String?) { self.namespace = namespace }
}
