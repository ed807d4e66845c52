import NetworkTypes

/// One endpoint under one version of policy.
public struct CompiledEndpoint: Sendable {
    public let id: EndpointID
    /// `namespace/name` and, if known, `/uid`.
    public let identity: String
    public let namespace: String
    public let name: String
    public let labels: [String: String]
    public let addresses: [IPAddress]
    public let interfaceName: String
    /// Whether some egress policy selects it.
    public let isPoliced: Bool
    /// The selector numbers that its rules name, ascending.
    public let selectors: [SelectorNumber]
    /// Equal for equal effective policies, over restarts: a change of it is a change of the endpoint's policy.
    public let fingerprint: UInt64
    /// The generation under which its flows are stamped; set by the owner of the endpoint registry before publication.
    public var generation: UInt16 = 0

    let firstStep: Int
    let stepCount: Int
}
