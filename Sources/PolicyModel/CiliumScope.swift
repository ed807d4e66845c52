import DomainNames

/// What the rules of one Cilium policy share while they are decoded.
struct CiliumScope {
    /// Nil for a CiliumClusterwideNetworkPolicy.
    let namespace: String?
    /// The first field that means what is outside the cluster: it is warned of once.
    var outside: ConfigurationField?
    /// Of the rule at hand: names of `rules.dns`. Nil: it has none, so that any may be asked for.
    var queries: [DomainPattern]?

    init(namespace: String?) { self.namespace = namespace }
}
