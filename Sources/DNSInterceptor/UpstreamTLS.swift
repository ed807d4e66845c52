/// How an upstream is asked over TLS (RFC 7858), and by what it is known: the strict profile of RFC 8310 §5.
///
/// With a name, its certificate must be for that name and lead to an authority of `trust`. With pins, its own key must be one of these;
/// without a name nothing else of the certificate counts then, not its dates either. With both, both must hold. An upstream with neither
/// is never reached: there is no opportunistic mode.
public struct UpstreamTLS: Hashable, Sendable {
    /// A DNS name without the final dot, or the text of an IP address, as the certificate has it (subjectAltName).
    public var name: String?
    /// SHA-256 of SubjectPublicKeyInfo (RFC 7858 §4.2), 32 bytes each. Of the server's own certificate: others in the message that
    /// carries it are anybody's to add.
    public var pins: [[UInt8]]
    public var trust: TLSTrust

    public init(name: String?, pins: [[UInt8]] = [], trust: TLSTrust) {
        self.name = name
        self.pins = pins
        self.trust = trust
    }
}
