import NetworkTypes

/// A resolver that the node itself asks, over UDP and TCP.
public struct TrustedResolver: Sendable, Hashable {
    public let address: IPAddress
    public let port: UInt16

    public init(address: IPAddress, port: UInt16 = 53) {
        self.address = address
        self.port = port
    }
}
