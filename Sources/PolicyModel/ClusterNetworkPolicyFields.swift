extension ResourceFields {
    /// `spec` of a ClusterNetworkPolicy of `policy.networking.k8s.io/v1alpha2`.
    public static let clusterNetworkPolicy = ["tier", "priority", "subject", "ingress", "egress"]
    public static let clusterPolicySubject = ["namespaces", "pods"]
    public static let clusterPolicyPods = ["namespaceSelector", "podSelector"]
    public static let clusterPolicyIngressRule = ["name", "action", "from", "protocols"]
    public static let clusterPolicyEgressRule = ["name", "action", "to", "protocols"]
    public static let clusterPolicyIngressPeer = ["namespaces", "pods"]
    public static let clusterPolicyEgressPeer = ["namespaces", "pods", "nodes", "networks", "domainNames"]
    /// An element of `protocols`.
    public static let clusterPolicyProtocol = ["tcp", "udp", "sctp", "destinationNamedPort"]
    public static let clusterPolicyPort = ["destinationPort"]
    public static let clusterPolicyPortNumber = ["number", "range"]
    public static let clusterPolicyPortRange = ["start", "end"]
}
