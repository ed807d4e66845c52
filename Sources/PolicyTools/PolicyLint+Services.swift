import DomainNames
import PolicyModel

/// Rules with names of Kubernetes services.
///
/// Such a name resolves to the service's own address (but for headless services), which kube-proxy translates before policy sees the packet: the rule
/// never matches it.
extension PolicyLint {
    private static let serviceZone = try? DomainName(parsing: "svc.cluster.local")

    func serviceNames() -> [PolicyDiagnostic] {
        guard let zone = Self.serviceZone else { return [] }
        var findings: [PolicyDiagnostic] = []
        for policy in enforced where policy.types.contains(.egress) {
            for (place, rule) in policy.egress.enumerated() where rule.action == .allow {
                let patterns = rule.destination.domains + rule.destination.urls.map(\.pattern)
                guard patterns.contains(where: { $0.literalSuffix.isSubdomain(of: zone) }) else { continue }
                findings.append(
                    PolicyDiagnostic(
                        .warning, at: rule.location ?? policy.location, field: Self.field(of: place, .egress, in: policy),
                        "a service's address is translated before policy sees a packet: of names in svc.cluster.local the rule "
                            + "matches those of headless services alone",
                        hint: "select the pods behind it by their labels (destination.selector), or name it under destination.services"
                    ))
            }
        }
        return findings
    }
}
