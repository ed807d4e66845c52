/// The difference between two sets of resources: what is new or other than before, and what is gone.
public struct ResourceChanges: Sendable, Equatable {
    /// Each key at most once.
    public var upserts: [Resource]
    public var removals: [ResourceKey]

    public init(upserts: [Resource] = [], removals: [ResourceKey] = []) {
        self.upserts = upserts
        self.removals = removals
    }

    public var isEmpty: Bool { upserts.isEmpty && removals.isEmpty }

    /// What leads from `old` to `new`, whatever the order of resources in either. Keys must be unique in each, as they are in every set
    /// that was decoded without an error.
    ///
    /// The place in the file belongs to a resource: one that moved by a line is a change, so that messages name the line where it stands now.
    /// Linear in both sets, and cheap where they agree in place; upserts stand in the order of `new.all`, removals in that of `old.all`.
    public static func between(_ old: ResourceSet, _ new: ResourceSet) -> ResourceChanges {
        var changes = ResourceChanges()
        changes.compare(old.policies, new.policies, Resource.policy)
        changes.compare(old.tiers, new.tiers, Resource.tier)
        changes.compare(old.networkSets, new.networkSets, Resource.networkSet)
        changes.compare(old.endpoints, new.endpoints, Resource.workloadEndpoint)
        changes.compare(old.hostEndpoints, new.hostEndpoints, Resource.hostEndpoint)
        changes.compare(old.profiles, new.profiles, Resource.profile)
        changes.compare(old.namespaces, new.namespaces, Resource.namespace)
        changes.compare(old.serviceAccounts, new.serviceAccounts, Resource.serviceAccount)
        changes.compare(old.serviceEndpoints, new.serviceEndpoints, Resource.serviceEndpoints)
        changes.compare(old.felixConfigurations, new.felixConfigurations, Resource.felixConfiguration)
        return changes
    }

    /// No kind stands in two of the lists, so each is compared by itself: what they have in common at both ends is passed over, the rest
    /// is looked up by key.
    private mutating func compare<Value: Equatable>(_ old: [Value], _ new: [Value], _ wrap: (Value) -> Resource) {
        var start = 0
        while start < old.count, start < new.count, old[start] == new[start] { start += 1 }
        var tail = 0
        while tail < min(old.count, new.count) - start, old[old.count - 1 - tail] == new[new.count - 1 - tail] { tail += 1 }
        let oldRest = old[start..<(old.count - tail)]
        let newRest = new[start..<(new.count - tail)]

        var places: [ResourceKey: Int] = [:]
        places.reserveCapacity(oldRest.count)
        for place in oldRest.indices { places[wrap(old[place]).key] = place }
        var kept: Set<Int> = []
        for value in newRest {
            let resource = wrap(value)
            if let place = places[resource.key] {
                kept.insert(place)
                if old[place] == value { continue }
            }
            upserts.append(resource)
        }
        for place in oldRest.indices where !kept.contains(place) { removals.append(wrap(old[place]).key) }
    }
}
