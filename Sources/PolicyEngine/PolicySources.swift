import PolicyModel

/// The resources behind one version of policy, for explanations. Nothing here is read by decisions.
struct PolicySources: Sendable {
    /// All policies by their places; nil in free places.
    var policies: ContiguousArray<PolicySource?> = []
    /// The places in their order, tiers behind their policies.
    var order: ContiguousArray<UInt32> = []
    var tiers: [String: Tier] = [:]
    var profiles: [String: Profile] = [:]
    /// All endpoints, also those without number, by their numbers as members.
    var endpoints: ContiguousArray<EndpointInfo?> = []
    var networkSets: [(set: NetworkSet, labels: [String: String])] = []
    var services: [ServiceEndpoints] = []
}
