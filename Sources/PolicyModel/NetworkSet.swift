import DomainNames
import NetworkTypes

/// A `NetworkSet` or, without namespace, a `GlobalNetworkSet` of `projectcalico.org/v3`: addresses and names that rules
/// select by label.
public struct NetworkSet: Sendable, Hashable {
    /// The kind that it was written as.
    public var kind: ResourceKind
    public var name: String
    /// Nil for a GlobalNetworkSet.
    public var namespace: String?
    public var labels: [String: String]
    public var nets: [IPPrefix]
    /// Count for the destination of Allow rules for egress.
    public var allowedEgressDomains: [DomainPattern]
    /// As `allowedEgressDomains`, each on its own TCP port.
    public var allowedEgressURLs: [DomainURL]
    /// Annotation `exeat.io/exclusive`: its names are closed to every endpoint for which no Allow rule names the set.
    public var isExclusive: Bool
    public var location: SourceLocation?

    public init(
        name: String, kind: ResourceKind? = nil, namespace: String? = nil, labels: [String: String] = [:], nets: [IPPrefix] = [],
        allowedEgressDomains: [DomainPattern] = [], allowedEgressURLs: [DomainURL] = [], isExclusive: Bool = false,
        location: SourceLocation? = nil
    ) {
        self.kind = kind ?? (namespace == nil ? .globalNetworkSet : .networkSet)
        self.name = name
        self.namespace = namespace
        self.labels = labels
        self.nets = nets
        self.allowedEgressDomains = allowedEgressDomains
        self.allowedEgressURLs = allowedEgressURLs
        self.isExclusive = isExclusive
        self.location = location
    }

    /// `name`, or `namespace/name`.
    public var identity: String { namespace.map { "\($0)/\(name)" } ?? name }

    public var key: ResourceKey { ResourceKey(kind, namespace: namespace, name: name) }
}
