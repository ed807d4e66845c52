/// A `Tier` of `projectcalico.org/v3`: policies are decided tier by tier.
public struct Tier: Sendable, Hashable {
    /// What happens to traffic of an endpoint that some policy of the tier applies to and no rule decides.
    public enum DefaultAction: String, Sendable, Hashable, CaseIterable {
        case deny = "Deny"
        case pass = "Pass"
    }

    public static let defaultName = "default"

    public var name: String
    /// Lower goes first; nil goes last. Equal orders go by name.
    public var order: Double?
    public var defaultAction: DefaultAction
    public var location: SourceLocation?

    public init(name: String, order: Double? = nil, defaultAction: DefaultAction = .deny, location: SourceLocation? = nil) {
        self.name = name
        self.order = order
        self.defaultAction = defaultAction
        self.location = location
    }

    /// The tier of policies that name none. It exists also when no file defines it.
    public static let `default` = Tier(name: defaultName, order: 1_000_000, defaultAction: .deny)

    /// Order and default action that Calico fixes for the tiers which it makes by itself.
    static let reserved: [String: (order: Double, defaultAction: DefaultAction)] = [
        defaultName: (1_000_000, .deny),
        kubeAdminName: (1_000, .pass),
        kubeBaselineName: (10_000_000, .pass),
        egressFirewallName: (900_000, .pass),
        "adminnetworkpolicy": (1_000, .pass),
        "baselineadminnetworkpolicy": (10_000_000, .pass),
    ]

    /// Before and behind all others: where ClusterNetworkPolicy lives.
    public static let kubeAdminName = "kube-admin"
    public static let kubeBaselineName = "kube-baseline"

    /// Where EgressFirewall of OVN-Kubernetes lives.
    public static let egressFirewallName = "ovn-egressfirewall"

    /// Tiers that exist as soon as something names them.
    static let builtInNames: Set<String> = Set(reserved.keys)

    /// The tier that Calico makes by itself under this name, nil for any other.
    public static func builtIn(_ name: String) -> Tier? {
        reserved[name].map { Tier(name: name, order: $0.order, defaultAction: $0.defaultAction) }
    }
}
