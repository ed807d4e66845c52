import NetworkTypes

/// A server that queries are forwarded to.
public struct UpstreamAddress: Hashable, Sendable, CustomStringConvertible {
    public let address: IPAddress
    public let port: UInt16
    /// Asked over TLS and never otherwise; nil: over UDP and TCP.
    public let tls: UpstreamTLS?

    public init(_ address: IPAddress, port: UInt16 = 53, tls: UpstreamTLS? = nil) {
        self.address = address
        self.port = port
        self.tls = tls
    }

    /// As it is configured: `192.0.2.53:53`, `tls://192.0.2.53:853#dns.example.org`.
    public var description: String {
        let place = address.family == .v4 ? "\(address):\(port)" : "[\(address)]:\(port)"
        guard let tls else { return place }
        return "tls://\(place)" + (tls.name.map { "#\($0)" } ?? "")
    }
}
