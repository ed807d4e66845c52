/// Annotation `exeat.io/verify-name`: whether a flow that was allowed by a name has to give that name in its hello (TLS, QUIC, HTTP).
///
/// Decisions bear it. On the packet path hellos are not read yet: a flow that needs it is refused, and whoever writes `require` is told
/// (`unenforced`).
public enum NameVerification: String, Sendable, Hashable, CaseIterable, BitwiseCopyable {
    /// It is not looked at.
    case off
    /// It is looked at, counted and logged, and the flow goes on whatever it is.
    case observe
    /// A flow without it, or with another one, is refused.
    case require

    /// What a file that asks for `require` is warned of.
    public static let unenforced =
        "hellos are not read on the packet path yet: flows that need it are refused"
}
