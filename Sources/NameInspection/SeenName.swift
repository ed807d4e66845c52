import DomainNames

/// The name of the server as the client gave it.
public struct SeenName: Hashable, Sendable {
    public enum Source: UInt8, CaseIterable, Sendable, BitwiseCopyable {
        case tls
        case http
        case quic

        /// For logs and metrics.
        public var label: String {
            switch self {
            case .tls: "tls"
            case .http: "http"
            case .quic: "quic"
            }
        }
    }

    public let name: DomainName
    public let source: Source
    /// The hello carries an encrypted one, or something that looks like it (ECH, RFC 9849; browsers send it to every server). The name is
    /// the outer one, which decides.
    public let isOuter: Bool

    public init(_ name: DomainName, from source: Source, isOuter: Bool = false) {
        self.name = name
        self.source = source
        self.isOuter = isOuter
    }
}
