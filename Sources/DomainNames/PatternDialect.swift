/// Whose wildcard grammar a pattern is written in; the dialect belongs to the kind of the resource.
public enum PatternDialect: String, CaseIterable, Sendable, Hashable {
    /// One `*` as a whole label, first or in the middle, for one or more labels (docs.tigera.io, "Domain names").
    case calico
    /// The same, but `*` only first: what `dnsPolicyMode: Inline` keeps (docs.tigera.io, "Domain names", the note on that mode).
    case calicoInline = "calico-inline"
    /// `matchPattern`: `*` for characters within a label, `**.` first for one or more labels, `*` alone for every name (docs.cilium.io,
    /// "DNS based"). It stands for letters, digits, `-` and `_` only.
    case cilium
    /// `matchName`: one name, no wildcards (docs.cilium.io, "DNS based").
    case ciliumName = "cilium-name"
    /// `*.` first, for one or more labels, and two labels or more (network-policy-api, DomainName).
    case kubernetes
    /// `*.` first, for exactly one label (OVN-Kubernetes, EgressFirewall `dnsName`).
    case ovn
    /// `*.` first, for one or more labels; `*` alone is refused, and so is `_` (istio.io, "Service Entry", `hosts`).
    case istio
    /// `*` first, for any characters, dots too (antrea.io, "Antrea Network Policy CRDs", `fqdn`).
    case antrea
}
