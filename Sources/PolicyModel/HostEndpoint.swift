import NetworkTypes

/// A `HostEndpoint` of `projectcalico.org/v3`: interfaces of the node itself.
public struct HostEndpoint: Sendable, Hashable {
    public var name: String
    public var labels: [String: String]
    public var node: String
    /// One interface, or `*` for all of them; nil if `expectedIPs` tells.
    public var interfaceName: String?
    public var expectedIPs: [IPAddress]
    public var profiles: [String]
    public var ports: [NamedPort]
    /// Nil: what the node sends from its interfaces, other classes aside.
    public var processes: ProcessClass?
    public var location: SourceLocation?

    public init(
        name: String, labels: [String: String] = [:], node: String = "", interfaceName: String? = nil, expectedIPs: [IPAddress] = [],
        profiles: [String] = [], ports: [NamedPort] = [], processes: ProcessClass? = nil, location: SourceLocation? = nil
    ) {
        self.name = name
        self.labels = labels
        self.node = node
        self.interfaceName = interfaceName
        self.expectedIPs = expectedIPs
        self.profiles = profiles
        self.ports = ports
        self.processes = processes
        self.location = location
    }

    /// How many host endpoints of one node may stand for processes.
    public static let classesMax = 14

    /// `host/name`; no workload has it, because workloads are `namespace/name` and no namespace of a workload may be `host` here.
    public var identity: String { "hostendpoint:\(name)" }
}
