import NetworkTypes

/// An `EndpointSlice` of `discovery.k8s.io/v1`: addresses and ports behind a service.
public struct ServiceEndpoints: Sendable, Hashable {
    /// Of the slice.
    public var name: String
    public var namespace: String
    /// Its label `kubernetes.io/service-name`.
    public var service: String
    public var addresses: [IPAddress]
    /// Empty: none. Names are those of the slice's ports.
    public var ports: [NamedPort]
    public var location: SourceLocation?

    public init(
        name: String, namespace: String, service: String, addresses: [IPAddress], ports: [NamedPort], location: SourceLocation? = nil
    ) {
        self.name = name
        self.namespace = namespace
        self.service = service
        self.addresses = addresses
        self.ports = ports
        self.location = location
    }
}
