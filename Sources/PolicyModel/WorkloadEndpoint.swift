import NetworkTypes

/// A `WorkloadEndpoint` of `projectcalico.org/v3`: one interface of a pod on this node.
public struct WorkloadEndpoint: Sendable, Hashable {
    public var name: String
    public var namespace: String
    /// Of the object's metadata: tells a pod from an earlier one with the same name.
    public var uid: String?
    public var labels: [String: String]
    /// What the workload may use as source; not empty, each belongs to this endpoint alone.
    public var addresses: [IPAddress]
    /// The node's end of the pair, 1 to 15 characters.
    public var interfaceName: String
    public var orchestrator: String?
    public var node: String?
    public var pod: String?
    public var serviceAccount: String?
    public var profiles: [String]
    public var ports: [NamedPort]
    public var location: SourceLocation?

    public init(
        name: String, namespace: String, uid: String? = nil, labels: [String: String] = [:], addresses: [IPAddress],
        interfaceName: String, orchestrator: String? = nil, node: String? = nil, pod: String? = nil, serviceAccount: String? = nil,
        profiles: [String] = [], ports: [NamedPort] = [], location: SourceLocation? = nil
    ) {
        self.name = name
        self.namespace = namespace
        self.uid = uid
        self.labels = labels
        self.addresses = addresses
        self.interfaceName = interfaceName
        self.orchestrator = orchestrator
        self.node = node
        self.pod = pod
        self.serviceAccount = serviceAccount
        self.profiles = profiles
        self.ports = ports
        self.location = location
    }

    /// `namespace/name`, with `/uid` if it has one: the same text means the same workload.
    public var identity: String { "\(namespace)/\(name)" + (uid.map { "/\($0)" } ?? "") }
}
