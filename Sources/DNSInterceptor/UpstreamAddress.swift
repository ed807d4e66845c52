import NetworkTypes

/// A server that queries are forwarded to.
public struct UpstreamAddress: Hashable, Sendable, CustomStringConvertible {
    public let address: IPAddress
    public let port: UInt16

    public init(_ address: IPAddress, port: UInt16 = 53) {
        self.address = address
        self.port = port
    }

    public var description: String { address.family == .v4 ? "\(address):\(port)" : "[\(address)]:\(port)" }
}
