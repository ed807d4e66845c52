/// What a rule does with the traffic that it matches, in Calico's spelling.
public enum RuleAction: String, Sendable, Hashable, CaseIterable {
    case allow = "Allow"
    case deny = "Deny"
    /// Leave the tier: its further policies are skipped and the next tier decides.
    case pass = "Pass"
    /// Report and go on with the next rule.
    case log = "Log"
}
