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
    public var ports: [PortRange]
    public var notPorts: [PortRange]
    /// The client learned the address from one of these names. Only in the destination of an Allow rule for egress, and
    /// never beside `nets`, `notNets` or a selector.
    public var domains: [DomainPattern]

    public init(
        nets: [IPPrefix] = [], notNets: [IPPrefix] = [], selector: Selector? = nil, notSelector: Selector? = nil,
        namespaceSelector: Selector? = nil, ports: [PortRange] = [], notPorts: [PortRange] = [], domains: [DomainPattern] = []
    ) {
        self.nets = nets
        self.notNets = notNets
        self.selector = selector
        self.notSelector = notSelector
        self.namespaceSelector = namespaceSelector
        self.ports = ports
        self.notPorts = notPorts
        self.domains = domains
    }

    /// Matches everything.
    public static let any = EntityRule()

    /// `selector` and `namespaceSelector` as one selector over `effectiveLabels`, nil if the rule names neither. In a
    /// policy with a namespace (`policyNamespace`), `selector` and `notSelector` reach into that namespace only, unless
    /// `namespaceSelector` says otherwise. `notSelector` itself is applied by itself, beside this one.
    public func effectiveSelector(policyNamespace: String?) -> Selector? {
        var parts: [Selector] = []
        if let namespaceSelector {
            parts.append(namespaceSelector.asNamespaceSelector)
        } else if let policyNamespace, selector != nil || notSelector != nil {
            parts.append(Selector(root: .equal(ReservedLabel.namespace, policyNamespace)))
        }
        if let selector { parts.append(selector) }
        return parts.isEmpty ? nil : Selector.conjunction(parts)
    }
}

extension Selector {
    /// Over the labels of namespaces, as it applies to the labels that endpoints and network sets inherit from them.
    var asNamespaceSelector: Selector {
        prefixingLabels(
            ReservedLabel.namespacePrefix, all: .has(ReservedLabel.namespace), global: .not(.has(ReservedLabel.namespace)))
    }
}
