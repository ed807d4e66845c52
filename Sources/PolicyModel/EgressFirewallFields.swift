extension ResourceFields {
    /// `spec` of an EgressFirewall of `k8s.ovn.org/v1`.
    public static let egressFirewall = ["egress"]
    public static let egressFirewallRule = ["type", "to", "ports"]
    public static let egressFirewallDestination = ["cidrSelector", "dnsName", "nodeSelector"]
    public static let egressFirewallPort = ["protocol", "port"]
}
