/// Why no question could go over a TLS connection: kinds that an administrator acts upon differently.
public enum TLSFault: Int, Error, CaseIterable, Sendable {
    case handshakeTimeout
    case wrongName
    /// No chain to an authority that is trusted.
    case untrustedIssuer
    /// Or not valid yet.
    case expired
    case wrongPin
    /// What came is no TLS, no version or cipher of ours, broken, or an alert; or the connection ended under it.
    case protocolError

    /// For the log and for EXTRA-TEXT of an Extended DNS Error.
    public var text: String {
        switch self {
        case .handshakeTimeout: "no TLS handshake in time"
        case .wrongName: "TLS certificate is for another name"
        case .untrustedIssuer: "TLS certificate is not of a trusted authority"
        case .expired: "TLS certificate is not valid at this time"
        case .wrongPin: "TLS key is none of the pinned ones"
        case .protocolError: "TLS handshake failed"
        }
    }

    public var counter: DNSCounter {
        switch self {
        case .handshakeTimeout: .tlsTimeouts
        case .wrongName: .tlsWrongNames
        case .untrustedIssuer: .tlsUntrusted
        case .expired: .tlsExpired
        case .wrongPin: .tlsWrongPins
        case .protocolError: .tlsProtocolErrors
        }
    }
}
