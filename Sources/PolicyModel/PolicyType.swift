/// The direction of traffic that a policy governs, seen from its endpoints, in Calico's spelling.
public enum PolicyType: String, Sendable, Hashable, CaseIterable {
    case ingress = "Ingress"
    case egress = "Egress"
}
