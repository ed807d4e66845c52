import PolicyModel

/// All rules of one endpoint in the order in which they are tried.
struct ReferenceProgram {
    struct Stage {
        let tier: Tier
        /// Whether its default action is for this endpoint.
        var counts = false
        var rules: [ReferenceRule] = []
    }

    let isHost: Bool
    /// Whether some policy for egress selects the endpoint.
    var isSelected = false
    /// What exclusive sets imply, before all tiers.
    var builtIn: [ReferenceRule] = []
    var stages: [Stage] = []
    let namesProfile: Bool
    /// Of the policies that select it: what they say of queries, and the names that they add.
    var queryPolicies: Set<QueryPolicy> = []
    var queryNames: [ReferenceName] = []
    var profileRules: [ReferenceRule] = []

    var allRules: [ReferenceRule] { builtIn + stages.flatMap(\.rules) + profileRules }
}
