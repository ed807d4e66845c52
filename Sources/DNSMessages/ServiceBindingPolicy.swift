/// What clients are given of the parameters of HTTPS and SVCB records (RFC 9460).
///
/// The record itself stays: a client still learns that the name speaks HTTPS, and under which target and port.
public struct ServiceBindingPolicy: Hashable, Sendable {
    /// Of the addresses in `ipv4hint` and `ipv6hint` (RFC 9460 §7.3).
    public enum Hints: String, Sendable, CaseIterable {
        /// Those of the owner itself are learned as its addresses; all others are taken out.
        case learn
        /// All are taken out: the client resolves the name.
        case strip
        /// They are passed on and not learned: whoever dials them is refused, unless another answer has taught them.
        case pass
    }

    /// Of a parameter, or of a word in it.
    public enum Treatment: String, Sendable, CaseIterable {
        case strip
        case pass
    }

    public var hints = Hints.learn
    /// `ech`: with it a client hides the name in its TLS hello.
    public var ech = Treatment.strip
    /// `h3` and its drafts in `alpn`: without them a client speaks TCP (RFC 9114 §3.1).
    public var http3 = Treatment.pass

    public init() {}

    /// Whether any answer may have to be changed.
    public var changesAnswers: Bool { hints != .pass || ech == .strip || http3 == .strip }
}

/// What was taken out of one answer.
public struct StrippedParameters: Hashable, Sendable {
    /// Parameters `ipv4hint` and `ipv6hint`.
    public internal(set) var hints = 0
    /// Parameters `ech`.
    public internal(set) var ech = 0
    /// Parameters `alpn` that named HTTP/3.
    public internal(set) var http3 = 0
}
