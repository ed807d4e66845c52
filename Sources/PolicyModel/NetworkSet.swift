import DomainNames
import NetworkTypes

/// A `NetworkSet` or, without namespace, a `GlobalNetworkSet` of `projectcalico.org/v3`: addresses and names that rules
/// select by label.
public struct NetworkSet: Sendable, Hashable {
    public var name: String
    /// Nil for a GlobalNetworkSet.
    public var namespace: String?
    public var labels: [String: String]
    public var nets: [IPPrefix]
    /// Count for the destination of Allow rules for egress.
    public var allowedEgressDomains: [DomainPattern]
    public var location: SourceLocation?

    public init(
        name: String, namespace: String? = nil, labels: [String: String] = [:], nets: [IPPrefix] = [],
        allowedEgressDomains: [DomainPattern] = [], location: SourceLocation? = nil
    ) {
        self.name = name
        self.namespace = namespace
        self.labels = labels
        self.nets = nets
        self.allowedEgressDomains = allowedEgressDomains
        self.location = location
    }

    /// `name`, or `namespace/name`.
    public var identity: String { namespace.map { "\($0)/\(name)" } ?? name }

    /// What selectors see: its labels and those from its namespace.
    public var effectiveLabels: [String: String] {
        guard let namespace else { return labels }
        return labels.merging(ReservedLabel.inherited(fromNamespace: namespace)) { $1 }
    }
}
