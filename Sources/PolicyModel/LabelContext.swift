/// What endpoints and network sets inherit labels from: namespaces, service accounts, profiles.
public struct LabelContext: Sendable, Equatable {
    public var namespaces: [String: [String: String]] = [:]
    /// By `namespace/name`.
    public var serviceAccounts: [String: [String: String]] = [:]
    /// `labelsToApply` by profile name.
    public var profiles: [String: [String: String]] = [:]

    public init() {}

    public init(_ resources: ResourceSet) {
        for namespace in resources.namespaces { namespaces[namespace.name] = namespace.labels }
        for account in resources.serviceAccounts { serviceAccounts["\(account.namespace)/\(account.name)"] = account.labels }
        for profile in resources.profiles { profiles[profile.name] = profile.labelsToApply }
    }

    /// What selectors see of an endpoint. Its own labels go before those of profiles; Calico's own labels go before all.
    public func labels(of endpoint: WorkloadEndpoint) -> [String: String] {
        var result: [String: String] = [:]
        for name in endpoint.profiles { result.merge(profiles[name] ?? [:]) { first, _ in first } }
        result.merge(Self.own(endpoint.labels)) { $1 }
        result.merge(inherited(fromNamespace: endpoint.namespace)) { $1 }
        result[ReservedLabel.orchestrator] = endpoint.orchestrator ?? "k8s"
        if let account = endpoint.serviceAccount {
            result[ReservedLabel.serviceAccount] = account
            for (label, value) in serviceAccounts["\(endpoint.namespace)/\(account)"] ?? [:] {
                result[ReservedLabel.serviceAccountPrefix + label] = value
            }
            result[ReservedLabel.serviceAccountPrefix + "projectcalico.org/name"] = account
        }
        return result
    }

    public func labels(of endpoint: HostEndpoint) -> [String: String] {
        var result: [String: String] = [:]
        for name in endpoint.profiles { result.merge(profiles[name] ?? [:]) { first, _ in first } }
        return result.merging(Self.own(endpoint.labels)) { $1 }
    }

    public func labels(of set: NetworkSet) -> [String: String] {
        let own = Self.own(set.labels)
        guard let namespace = set.namespace else { return own }
        return own.merging(inherited(fromNamespace: namespace)) { $1 }
    }

    /// Without those that would pass for labels of the namespace or the service account.
    private static func own(_ labels: [String: String]) -> [String: String] {
        labels.contains { ReservedLabel.isInherited($0.key) } ? labels.filter { !ReservedLabel.isInherited($0.key) } : labels
    }

    /// `projectcalico.org/namespace` and, under `pcns.`, the namespace's labels and name.
    private func inherited(fromNamespace name: String) -> [String: String] {
        var result = ReservedLabel.inherited(fromNamespace: name)
        for (label, value) in namespaces[name] ?? [:] { result[ReservedLabel.namespacePrefix + label] = value }
        return result
    }
}
