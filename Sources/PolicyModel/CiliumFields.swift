extension ResourceFields {
    /// `spec`, and an element of `specs`, of a CiliumNetworkPolicy or CiliumClusterwideNetworkPolicy of `cilium.io/v2`.
    public static let ciliumRule = [
        "endpointSelector", "nodeSelector", "ingress", "ingressDeny", "egress", "egressDeny", "enableDefaultDeny", "labels", "description",
        "log",
    ]
    public static let ciliumEgressRule = [
        "toEndpoints", "toFQDNs", "toCIDR", "toCIDRSet", "toEntities", "toServices", "toPorts", "icmps", "toRequires", "toGroups",
        "toNodes",
        "authentication",
    ]
    /// The same without names and authentication.
    public static let ciliumEgressDenyRule = [
        "toEndpoints", "toCIDR", "toCIDRSet", "toEntities", "toServices", "toPorts", "icmps", "toRequires", "toGroups", "toNodes",
    ]
    public static let ciliumIngressRule = [
        "fromEndpoints", "fromCIDR", "fromCIDRSet", "fromEntities", "toPorts", "icmps", "fromRequires", "fromGroups", "fromNodes",
        "authentication",
    ]
    public static let ciliumIngressDenyRule = [
        "fromEndpoints", "fromCIDR", "fromCIDRSet", "fromEntities", "toPorts", "icmps", "fromRequires", "fromGroups", "fromNodes",
    ]
    public static let ciliumDefaultDeny = ["ingress", "egress"]
    public static let ciliumCIDRSet = ["cidr", "except", "cidrGroupRef", "cidrGroupSelector"]
    /// An element of `toFQDNs` and of `rules.dns`.
    public static let ciliumName = ["matchName", "matchPattern"]
    public static let ciliumService = ["k8sService", "k8sServiceSelector"]
    public static let ciliumServiceName = ["serviceName", "namespace"]
    /// An element of `toPorts`.
    public static let ciliumPortRule = ["ports", "rules", "serverNames", "terminatingTLS", "originatingTLS", "listener"]
    public static let ciliumPort = ["port", "endPort", "protocol"]
    public static let ciliumLayer7 = ["dns", "http", "kafka", "l7", "l7proto"]
    /// An element of `icmps`, and of its `fields`.
    public static let ciliumICMP = ["fields"]
    public static let ciliumICMPField = ["family", "type"]
}
