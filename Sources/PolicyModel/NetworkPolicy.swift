import DomainNames

/// A policy in the form of `projectcalico.org/v3`: a `NetworkPolicy` or, without namespace, a `GlobalNetworkPolicy`; staged ones and
/// those of other dialects are brought into it.
public struct NetworkPolicy: Sendable, Hashable {
    /// What a staged policy would do if it were enforced (Calico's `stagedAction`). Staged policies decide nothing.
    public enum StagedAction: String, Sendable, Hashable, CaseIterable {
        /// Create or replace the enforced policy of the same namespace, tier and name.
        case set = "Set"
        /// Remove it.
        case delete = "Delete"
        /// Neither: a recommendation that is looked at, or one that was put aside.
        case learn = "Learn"
        case ignore = "Ignore"
    }

    /// The kind that it was written as.
    public var kind: ResourceKind
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
    /// The service accounts of the endpoints that it applies to, over the labels of service accounts.
    public var serviceAccountSelector: Selector?
    /// After defaulting: without `types` in the file a policy with egress rules alone governs egress, one without egress
    /// rules ingress, one with both both.
    public var types: Set<PolicyType>
    public var ingress: [PolicyRule]
    public var egress: [PolicyRule]
    public var annotations: [String: String]
    /// Nil: enforced.
    public var stagedAction: StagedAction?
    /// Whether its selecting an endpoint makes the tier's default action count for it. False where the origin knows policies that
    /// imply no default deny (Cilium `enableDefaultDeny`, OVN-Kubernetes EgressFirewall).
    public var impliesDefault: Bool
    /// Annotation `exeat.io/exclusive`: the names of its Allow rules are closed to every endpoint that it does not select.
    public var isExclusive: Bool
    /// Annotation `exeat.io/deny-domains`, or a dialect that denies by name: names in Deny rules count.
    public var deniesByName: Bool
    /// Annotation `exeat.io/verify-name`, for flows that its Allow rules admit by name. Nil: as configured.
    public var nameVerification: NameVerification?
    /// Annotation `exeat.io/verify-name-ports`. Nil: `NamePort.standard`.
    public var namePorts: [NamePort]?
    /// Annotation `exeat.io/query-policy`, for every endpoint that it selects. Nil: as another policy says, or as configured.
    public var queryPolicy: QueryPolicy?
    /// Names that its endpoints may ask for, beside those that rules name (Cilium `rules.dns`).
    public var queryNames: [DomainPattern]
    /// Of a GlobalNetworkPolicy, for host endpoints: it governs forwarded traffic too.
    public var appliesOnForward: Bool
    public var location: SourceLocation?

    public init(
        name: String, kind: ResourceKind? = nil, namespace: String? = nil, tier: String = Tier.defaultName, order: Double? = nil,
        selector: Selector = .all,
        namespaceSelector: Selector? = nil, serviceAccountSelector: Selector? = nil, types: Set<PolicyType>? = nil,
        ingress: [PolicyRule] = [], egress: [PolicyRule] = [],
        annotations: [String: String] = [:], stagedAction: StagedAction? = nil, impliesDefault: Bool = true, isExclusive: Bool = false,
        deniesByName: Bool = false, nameVerification: NameVerification? = nil, namePorts: [NamePort]? = nil,
        queryPolicy: QueryPolicy? = nil, queryNames: [DomainPattern] = [], appliesOnForward: Bool = false,
        location: SourceLocation? = nil
    ) {
        self.name = name
        self.kind = kind ?? (namespace == nil ? .globalNetworkPolicy : .networkPolicy)
        self.namespace = namespace
        self.tier = tier
        self.order = order
        self.selector = selector
        self.namespaceSelector = namespaceSelector
        self.serviceAccountSelector = serviceAccountSelector
        self.types = types ?? Self.defaultTypes(hasIngressRules: !ingress.isEmpty, hasEgressRules: !egress.isEmpty)
        self.ingress = ingress
        self.egress = egress
        self.annotations = annotations
        self.stagedAction = stagedAction
        self.impliesDefault = impliesDefault
        self.isExclusive = isExclusive
        self.deniesByName = deniesByName
        self.nameVerification = nameVerification
        self.namePorts = namePorts
        self.queryPolicy = queryPolicy
        self.queryNames = queryNames
        self.appliesOnForward = appliesOnForward
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

    public var key: ResourceKey { ResourceKey(kind, namespace: namespace, name: name) }

    /// Which endpoints it applies to, over their labels in a `LabelContext`.
    public var effectiveSelector: Selector {
        var parts: [Selector] = selector.isAll ? [] : [selector]
        if let namespace { parts.append(Selector(root: .equal(ReservedLabel.namespace, namespace))) }
        if let namespaceSelector { parts.append(namespaceSelector.asNamespaceSelector) }
        if let serviceAccountSelector { parts.append(serviceAccountSelector.asServiceAccountSelector) }
        return Selector.conjunction(parts)
    }
}
