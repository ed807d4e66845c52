/// One of the four lists of rules that a Cilium policy has.
enum CiliumSection: String, CaseIterable {
    case egress
    case egressDeny
    case ingress
    case ingressDeny

    var direction: PolicyType { self == .egress || self == .egressDeny ? .egress : .ingress }
    var isDeny: Bool { self == .egressDeny || self == .ingressDeny }

    /// How the fields of its peers begin.
    var prefix: String { direction == .egress ? "to" : "from" }

    var fields: [String] {
        switch self {
        case .egress: ResourceFields.ciliumEgressRule
        case .egressDeny: ResourceFields.ciliumEgressDenyRule
        case .ingress: ResourceFields.ciliumIngressRule
        case .ingressDeny: ResourceFields.ciliumIngressDenyRule
        }
    }
}
