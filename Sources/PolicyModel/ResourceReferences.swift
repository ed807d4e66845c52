import NetworkTypes

/// Names by which one resource uses another, with the place to blame: collected while decoding, checked when everything is known.
struct ResourceReferences: Sendable {
    /// A policy that stages a change, by the kind that it would change.
    struct Staged: Sendable {
        var policy: NetworkPolicy
        var field: ConfigurationField
    }

    /// The destination of a Deny rule for egress that selects by label, in a policy that does not deny by name.
    struct DenyBySelector: Sendable {
        var selector: Selector
        var field: ConfigurationField
    }

    /// Also of tiers and profiles that have an error of their own, so that they are not called unknown as well.
    var declaredTiers: Set<String> = []
    var declaredProfiles: Set<String> = []
    var namedTiers: [(tier: String, field: ConfigurationField)] = []
    var namedProfiles: [(profile: String, field: ConfigurationField)] = []
    var namedServices: [(namespace: String, name: String, field: ConfigurationField)] = []
    var addresses: [(address: IPAddress, owner: String, ownerLocation: SourceLocation?, field: ConfigurationField)] = []
    /// Host endpoints that stand for processes.
    var classes: [(endpoint: HostEndpoint, field: ConfigurationField)] = []
    var staged: [Staged] = []
    var denials: [DenyBySelector] = []

    mutating func add(_ other: ResourceReferences) {
        declaredTiers.formUnion(other.declaredTiers)
        declaredProfiles.formUnion(other.declaredProfiles)
        namedTiers += other.namedTiers
        namedProfiles += other.namedProfiles
        namedServices += other.namedServices
        addresses += other.addresses
        classes += other.classes
        staged += other.staged
        denials += other.denials
    }
}
