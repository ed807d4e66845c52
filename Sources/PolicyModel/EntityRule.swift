import DomainNames
import NetworkTypes

/// The source or destination half of a rule: a conjunction of criteria, each absent one (nil or empty) being true.
public struct EntityRule: Sendable, Hashable {
    /// The address lies in one of these.
    public var nets: [IPPrefix]
    /// The address lies in none of these.
    public var notNets: [IPPrefix]
    /// The address belongs to an endpoint or network set with such labels.
    public var selector: Selector?
    /// The address does not belong to an endpoint or network set with such labels.
    public var notSelector: Selector?
    /// The address belongs to an endpoint or network set of a namespace with such labels; `global()`: to one of no namespace.
    public var namespaceSelector: Selector?
    public var ports: [RulePort]
    public var notPorts: [RulePort]
    /// The address belongs to an endpoint that runs under such a service account.
    public var serviceAccounts: ServiceAccountMatch?
    /// Address and port belong to this service. Only in a destination for egress (or a source for ingress), beside no other field.
    public var services: ServiceMatch?
    /// The client learned the address from one of these names. Only in the destination of an Allow rule for egress (of a Deny
    /// rule too where the policy denies by name), and never beside `nets`, `notNets` or a selector.
    public var domains: [DomainPattern]
    /// As `domains`, each on its own TCP port; the rule has no ports then and no protocol but TCP. A rule with both matches if either does.
    public var urls: [DomainURL]

    public init(
        nets: [IPPrefix] = [], notNets: [IPPrefix] = [], selector: Selector? = nil, notSelector: Selector? = nil,
        namespaceSelector: Selector? = nil, ports: [RulePort] = [], notPorts: [RulePort] = [], serviceAccounts: ServiceAccountMatch? = nil,
        services: ServiceMatch? = nil, domains: [DomainPattern] = [], urls: [DomainURL] = []
    ) {
        self.nets = nets
        self.notNets = notNets
        self.selector = selector
        self.notSelector = notSelector
        self.namespaceSelector = namespaceSelector
        self.ports = ports
        self.notPorts = notPorts
        self.serviceAccounts = serviceAccounts
        self.services = services
        self.domains = domains
        self.urls = urls
    }

    /// Matches everything.
    public static let any = EntityRule()

    /// `selector`, `namespaceSelector` and `serviceAccounts` as one selector over the effective labels of endpoints and network
    /// sets, nil if the rule names none of them. In a policy with a namespace (`policyNamespace`), each reaches into that namespace
    /// only, unless `namespaceSelector` says otherwise. `notSelector` itself is applied by itself, beside this one.
    public func effectiveSelector(policyNamespace: String?) -> Selector? {
        let hasCriterion = selector != nil || notSelector != nil || !(serviceAccounts?.isEmpty ?? true)
        var parts: [Selector] = []
        if let namespaceSelector {
            parts.append(namespaceSelector.asNamespaceSelector)
        } else if let policyNamespace, hasCriterion {
            parts.append(Selector(root: .equal(ReservedLabel.namespace, policyNamespace)))
        }
        let inner = [serviceAccounts?.effectiveSelector, selector].compactMap { $0 }
        if !inner.isEmpty { parts.append(Selector.conjunction(inner)) }
        return parts.isEmpty ? nil : Selector.conjunction(parts)
    }
}

extension Selector {
    /// Over the labels of namespaces, as it applies to the labels that endpoints and network sets inherit from them.
    var asNamespaceSelector: Selector {
        prefixingLabels(
            ReservedLabel.namespacePrefix, all: .has(ReservedLabel.namespace), global: .not(.has(ReservedLabel.namespace)))
    }

    /// Over the labels of service accounts, as it applies to the labels that endpoints inherit from theirs.
    var asServiceAccountSelector: Selector {
        prefixingLabels(ReservedLabel.serviceAccountPrefix, all: .has(ReservedLabel.serviceAccount), global: .not(.all))
    }
}
