import DomainNames

/// A name in URL form, `https://api.example.org/*`: the host on one TCP port.
public struct DomainURL: Sendable, Hashable {
    public var pattern: DomainPattern
    /// 443 for https, 80 for http, or the one written.
    public var port: UInt16

    public init(pattern: DomainPattern, port: UInt16) {
        self.pattern = pattern
        self.port = port
    }
}
