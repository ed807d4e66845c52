import EnforcementTesting

extension Coverage {
    /// Each must be met at least so often in a run.
    static let leastOfEach = 20

    static let wanted: [String] =
        ReferenceReason.allCases.map { "reason \($0.rawValue)" }
        + ReferenceField.allCases.map { "decided with \($0)" }
        + ReferenceField.allCases.filter { !neverMissed.contains($0) }.map { "missed by \($0)" }
        + [
            "tier left by Pass", "tier left by its default", "tier not counted", "rule with Log met", "decided by name alone",
            "staging none", "staging idle", "staging active", "staged verdict is another", "staged program evaluated",
            "lookup answered", "lookup refused", "name could be allowed", "name could not be allowed",
            "verdict changed by a change of policy",
        ]

    /// Those that are looked at when the program is made, and those that are counted under a wider one.
    private static let neverMissed: Set<ReferenceField> = [
        .sourceSelector, .sourceNamespaceSelector, .sourceServiceAccounts, .sourceNotSelector, .sourceNamedPorts,
    ]
}
