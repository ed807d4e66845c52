import NetworkTypes

/// A resolver that the node itself asks: over UDP and TCP, or over TLS, which is TCP alone.
public struct TrustedResolver: Sendable, Hashable {
    public let address: IPAddress
    public let port: UInt16
    public let isSecure: Bool

    public init(address: IPAddress, port: UInt16 = 53, isSecure: Bool = false) {
        self.address = address
        self.port = port
        self.isSecure = isSecure
    }

    /// An entry of `dnsTrustedServers`: `192.0.2.53`, `192.0.2.53:53`, `2001:db8::53` or `[2001:db8::53]:53`; nil of a service, whose
    /// servers take its place before (`ResourceSet.withTrustedServersOfServices()`).
    public init?(trustedServer text: String) {
        if let address = IPAddress(parsing: text) {
            self.init(address: address)
            return
        }
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0 else { return nil }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        guard let address = IPAddress(parsing: host) else { return nil }
        self.init(address: address, port: port)
    }
}
