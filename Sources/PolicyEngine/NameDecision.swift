/// What policy says of a query for a name, before any address is known.
public enum NameDecision: Hashable, Sendable {
    case open
    /// A Deny rule that names it (`policyDeny`), or a name that is exclusively others' (`exclusiveName`).
    case refused(rule: UInt32, reason: VerdictReason)
}
