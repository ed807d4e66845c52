import NetworkTypes

extension DemoNetwork {
    /// A pod of the lab, joined to the node by a routed veth pair as Calico makes it.
    public struct Pod: Sendable {
        public let namespace: Namespace
        /// The pod's name in the policy's world, e.g. `pod-a`.
        public let name: String
        /// The Kubernetes namespace, e.g. `default`.
        public let kubernetesNamespace: String
        public let labels: [String: String]
        /// The node's end of the pair: `cali` and 11 hexadecimal digits.
        public let interfaceOnNode: String
        /// One IPv4 and one IPv6 address.
        public let addresses: [IPAddress]

        /// The pod's IPv4 address.
        public var v4: IPAddress { addresses[0] }
        /// The pod's IPv6 address.
        public var v6: IPAddress { addresses[1] }
    }
}
