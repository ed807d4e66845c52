import NetworkTypes
import PolicyModel

/// One endpoint under one version of policy: a workload or a host endpoint.
public struct CompiledEndpoint: Sendable {
    public internal(set) var id: EndpointID
    var info: EndpointInfo
    /// Whether policy may deny it anything: an egress policy selects it, or its profiles allow less than everything, or it has none and
    /// unselected endpoints are denied, or names are exclusively others', or it is a host endpoint.
    public internal(set) var isPoliced: Bool
    /// Equal for equal effective policies, over restarts: a change of it is a change of the endpoint's policy.
    public internal(set) var fingerprint: UInt64
    /// The generation under which its flows are stamped; set by the owner of the endpoint registry before publication.
    public internal(set) var generation: UInt16 = 0
    /// 1...14 of a host endpoint that stands for processes, else 0; set with the generation.
    public internal(set) var classNumber: UInt8 = 0

    init(id: EndpointID, info: EndpointInfo, isPoliced: Bool, fingerprint: UInt64) {
        self.id = id
        self.info = info
        self.isPoliced = isPoliced
        self.fingerprint = fingerprint
    }

    /// `namespace/name` and, if known, `/uid`; `hostendpoint:name`.
    public var identity: String { info.identity }
    /// Empty for a host endpoint.
    public var namespace: String { info.namespace }
    public var name: String { info.name }
    /// Its own.
    public var labels: [String: String] { info.labels }
    /// What selectors see.
    public var effectiveLabels: [String: String] { info.effectiveLabels }
    public var addresses: [IPAddress] { info.addresses }
    public var interfaceName: String { info.interfaceName }
    public var profiles: [String] { info.profiles }
    /// Whether it is an interface of the node itself.
    public var isHost: Bool { info.isHost }
    /// The processes that it stands for; nil: whatever comes from its addresses.
    public var processes: ProcessClass? { info.processes }
}
