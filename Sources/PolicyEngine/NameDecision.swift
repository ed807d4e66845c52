/// What policy says of a query for a name, before any address is known.
public enum NameDecision: Hashable, Sendable {
    case open
    /// A Deny rule that names it (`policyDeny`), a name that is exclusively others' (`exclusiveName`), or one that no rule could allow
    /// (`nameNotAllowed`, without a rule).
    case refused(rule: UInt32, reason: VerdictReason)
}
