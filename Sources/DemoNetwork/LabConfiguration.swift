import NetworkTypes

/// What a lab shall hold. The defaults make the network of `exeat demo`: two pods and the standard zones.
public struct LabConfiguration: Sendable {
    /// A pod to make.
    public struct PodConfiguration: Sendable {
        public var name: String
        public var kubernetesNamespace: String
        public var labels: [String: String]

        public init(name: String, kubernetesNamespace: String = "default", labels: [String: String]) {
            self.name = name
            self.kubernetesNamespace = kubernetesNamespace
            self.labels = labels
        }
    }

    public var pods: [PodConfiguration] = [
        PodConfiguration(name: "pod-a", labels: ["app": "shop"]), PodConfiguration(name: "pod-b", labels: ["app": "batch"]),
    ]

    /// Zone name -> records in master file form (RFC 1035 §5.1), relative to the zone, without SOA and NS, which the lab adds. Records
    /// for a standard zone (`StandardZones`) are appended to it.
    public var zones: [String: String] = [:]

    public var includesStandardZones = true

    /// The answer of every web and echo server comes from an address in these, and all of each prefix is served.
    public var internetPrefixes: [String] = ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "2001:db8::/32"]

    /// Whether nginx runs on ports 80 and 443 of the internet's addresses.
    public var startsWebServers = true

    /// Whether UDP and TCP echo run on port 7 of `DemoNetwork.echoAddresses`.
    public var startsEchoServers = true

    /// What the pods' `/etc/resolv.conf` names; on the node's loopback.
    public var resolverAddresses: [IPAddress] = [
        IPAddress(v4: 0xa9fe_140a), IPAddress(v6Upper: 0xfd00_ec8a_0000_0000, lower: 0x10),
    ]

    public init() {}
}
