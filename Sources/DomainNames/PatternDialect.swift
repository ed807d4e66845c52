/// Whose wildcard grammar a pattern is written in; the dialect belongs to the kind of the resource.
public enum PatternDialect: String, CaseIterable, Sendable, Hashable {
    /// One `*` as a whole label, first or in the middle, for one or more labels (docs.tigera.io, "Domain names").
    case calico
    /// `*` within a label, `**.` before labels (docs.cilium.io, "DNS based").
    case cilium
    /// `*.` first, for one or more labels (network-policy-api, DomainName).
    case kubernetes
    /// `*.` first, for exactly one label (OVN-Kubernetes, EgressFirewall dnsName).
    case ovn
}
