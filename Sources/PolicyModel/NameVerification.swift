/// Annotation `exeat.io/verify-name`: whether a flow that was allowed by a name has to give that name in its hello (TLS, QUIC, HTTP).
public enum NameVerification: String, Sendable, Hashable, CaseIterable, BitwiseCopyable {
    /// It is not looked at.
    case off
    /// It is looked at, counted and logged, and the flow goes on whatever it is.
    case observe
    /// A flow without it, or with another one, is refused.
    case require
}
