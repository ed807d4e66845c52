/// Annotation `exeat.io/query-policy`: which names an endpoint may ask for.
public enum QueryPolicy: String, Sendable, Hashable, CaseIterable, BitwiseCopyable {
    /// Any that no rule denies.
    case any
    /// Those that some rule of the endpoint could allow.
    case allowed
}
