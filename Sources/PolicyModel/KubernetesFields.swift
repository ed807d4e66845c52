extension ResourceFields {
    /// `spec` of a NetworkPolicy of `networking.k8s.io/v1`.
    public static let kubernetesNetworkPolicy = ["podSelector", "policyTypes", "ingress", "egress"]
    /// An element of `ingress` and of `egress`.
    public static let kubernetesIngressRule = ["from", "ports"]
    public static let kubernetesEgressRule = ["to", "ports"]
    public static let kubernetesPeer = ["podSelector", "namespaceSelector", "ipBlock"]
    public static let kubernetesBlock = ["cidr", "except"]
    public static let kubernetesPort = ["protocol", "port", "endPort"]
    /// A label selector of Kubernetes, wherever one stands.
    public static let labelSelector = ["matchLabels", "matchExpressions"]
    public static let labelExpression = ["key", "operator", "values"]
}
