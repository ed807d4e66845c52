import DomainNames
import NetworkTypes
import PolicyModel

/// An endpoint or a network set, with all that selectors and rules see of it.
struct ReferenceEntity {
    enum Kind { case workload, host, set }

    let kind: Kind
    let identity: String
    let namespace: String?
    /// All labels that a plain selector sees.
    var labels: [String: String] = [:]
    /// Of its namespace, the two that name it included; empty if it has none.
    var namespaceLabels: [String: String] = [:]
    let serviceAccount: String?
    /// Of its service account, the one that names it included; empty if it has none.
    var accountLabels: [String: String] = [:]
    var prefixes: [IPPrefix] = []
    var ports: [NamedPort] = []
    /// Names of a set, those in URL form with their port.
    var names: [ReferenceName] = []

    init(_ endpoint: WorkloadEndpoint, in resources: ResourceSet) {
        kind = .workload
        identity = endpoint.identity
        namespace = endpoint.namespace
        serviceAccount = endpoint.serviceAccount
        prefixes = endpoint.addresses.map { IPPrefix($0) }
        ports = endpoint.ports
        inherit(own: endpoint.labels, profiles: endpoint.profiles, resources)
        labels["projectcalico.org/orchestrator"] = endpoint.orchestrator ?? "k8s"
    }

    init(_ endpoint: HostEndpoint, in resources: ResourceSet) {
        kind = .host
        identity = endpoint.identity
        namespace = nil
        serviceAccount = nil
        prefixes = endpoint.expectedIPs.map { IPPrefix($0) }
        ports = endpoint.ports
        inherit(own: endpoint.labels, profiles: endpoint.profiles, resources)
    }

    init(_ set: NetworkSet, in resources: ResourceSet) {
        kind = .set
        identity = set.identity
        namespace = set.namespace
        serviceAccount = nil
        prefixes = set.nets
        names = set.allowedEgressDomains.map { ReferenceName(pattern: $0, port: nil) }
        names += set.allowedEgressURLs.map { ReferenceName(pattern: $0.pattern, port: $0.port) }
        inherit(own: set.labels, profiles: [], resources)
    }

    /// Own labels, else those of the profiles, the first that has it; then what Calico adds. What is inherited nobody gives to himself.
    private mutating func inherit(own: [String: String], profiles: [String], _ resources: ResourceSet) {
        for name in profiles.reversed() {
            for profile in resources.profiles where profile.name == name {
                for (label, value) in profile.labelsToApply { labels[label] = value }
            }
        }
        for (label, value) in own where !label.hasPrefix("pcns.") && !label.hasPrefix("pcsa.") { labels[label] = value }
        if let namespace {
            namespaceLabels["projectcalico.org/name"] = namespace
            namespaceLabels["kubernetes.io/metadata.name"] = namespace
            for candidate in resources.namespaces where candidate.name == namespace {
                for (label, value) in candidate.labels { namespaceLabels[label] = value }
            }
            labels["projectcalico.org/namespace"] = namespace
            for (label, value) in namespaceLabels { labels["pcns.\(label)"] = value }
        }
        if let serviceAccount {
            for account in resources.serviceAccounts where account.name == serviceAccount && account.namespace == namespace {
                for (label, value) in account.labels { accountLabels[label] = value }
            }
            accountLabels["projectcalico.org/name"] = serviceAccount
            labels["projectcalico.org/serviceaccount"] = serviceAccount
            for (label, value) in accountLabels { labels["pcsa.\(label)"] = value }
        }
    }

    func isSelected(by tree: ReferenceSelector) -> Bool { tree.matches(labels) }

    /// By a selector over namespaces: `all()` is "of a namespace", `global()` "of none".
    func isSelected(byNamespace tree: ReferenceSelector) -> Bool {
        tree.matches(namespaceLabels, all: namespace != nil, global: namespace == nil)
    }

    /// By a selector over service accounts: `all()` is "under some account".
    func isSelected(byAccount tree: ReferenceSelector) -> Bool {
        tree.matches(accountLabels, all: serviceAccount != nil, global: false)
    }

    func has(_ address: IPAddress) -> Bool {
        for prefix in prefixes where Self.isInside(address, prefix) { return true }
        return false
    }

    /// Bit by bit.
    static func isInside(_ address: IPAddress, _ prefix: IPPrefix) -> Bool {
        guard address.family == prefix.address.family else { return false }
        let (bytes, wanted) = (address.networkBytes, prefix.address.networkBytes)
        for bit in 0..<Int(prefix.length) {
            let mask = UInt8(0x80) >> UInt8(bit % 8)
            if bytes[bit / 8] & mask != wanted[bit / 8] & mask { return false }
        }
        return true
    }
}
