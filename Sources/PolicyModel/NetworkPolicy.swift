/// A `NetworkPolicy` or, without namespace, a `GlobalNetworkPolicy` of `projectcalico.org/v3`.
public struct NetworkPolicy: Sendable, Hashable {
    public var name: String
    /// Nil for a GlobalNetworkPolicy.
    public var namespace: String?
    public var tier: String
    /// Lower goes first; nil goes last. Equal orders go by name.
    public var order: Double?
    /// Which endpoints it applies to (together with `namespace` and `namespaceSelector`).
    public var selector: Selector
    /// Of a GlobalNetworkPolicy: the namespaces of the endpoints that it applies to.
    public var namespaceSelector: Selector?
    /// After defaulting: without `types` in the file a policy with egress rules alone governs egress, one without egress
    /// rules ingress, one with both both.
    public var types: Set<PolicyType>
    public var ingress: [PolicyRule]
    public var egress: [PolicyRule]
    public var annotations: [String: String]
    public var location: SourceLocation?

    public init(
        name: String, namespace: String? = nil, tier: String = Tier.defaultName, order: Double? = nil, selector: Selector = .all,
        namespaceSelector: Selector? = nil, types: Set<PolicyType>? = nil, ingress: [PolicyRule] = [], egress: [PolicyRule] = [],
        annotations: [String: String] = [:], location: SourceLocation? = nil
    ) {
        self.name = name
        self.namespace = namespace
        self.tier = tier
        self.order = order
        self.selector = selector
        self.namespaceSelector = namespaceSelector
        self.types = types ?? Self.defaultTypes(hasIngressRules: !ingress.isEmpty, hasEgressRules: !egress.isEmpty)
        self.ingress = ingress
        self.egress = egress
        self.annotations = annotations
        self.location = location
    }

    /// Calico's defaulting of `types`.
    static func defaultTypes(hasIngressRules: Bool, hasEgressRules: Bool) -> Set<PolicyType> {
        switch (hasIngressRules, hasEgressRules) {
        case (_, false): [.ingress]
        case (false, true): [.egress]
        case (true, true): [.ingress, .egress]
        }
    }

    /// `name`, or `namespace/name`.
    public var identity: String { namespace.map { "\($0)/\(name)" } ?? name }

    /// Which endpoints it applies to, over their `effectiveLabels`.
    public var effectiveSelector: Selector {
        var parts: [Selector] = selector.isAll ? [] : [selector]
        if let namespace { parts.append(Selector(root: .equal(ReservedLabel.namespace, namespace))) }
        if let namespaceSelector { parts.append(namespaceSelector.asNamespaceSelector) }
        return Selector.conjunction(parts)
    }
}
