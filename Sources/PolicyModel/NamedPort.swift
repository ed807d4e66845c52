import NetworkTypes

/// A port that an endpoint gives a name: rules may say `ports: [http]`.
public struct NamedPort: Sendable, Hashable {
    public var name: String
    public var `protocol`: TransportProtocol
    public var port: UInt16

    public init(name: String, protocol: TransportProtocol, port: UInt16) {
        self.name = name
        self.protocol = `protocol`
        self.port = port
    }
}
