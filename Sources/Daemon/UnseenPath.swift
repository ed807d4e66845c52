/// A way on which packets of this node's workloads pass by the rules, or look like somebody else's.
public struct UnseenPath: Sendable, Hashable, CustomStringConvertible {
    public enum Kind: String, Sendable, CaseIterable {
        case bridge
        case macvlan
        case virtualFunctions = "sriov"
        case programs = "ebpf"
        case flowtable
        case ipvs

        /// What is not enforced there.
        var consequence: String {
            switch self {
            case .bridge:
                "what goes from port to port passes by, and its ports can take each other's addresses: route workloads by a veth of their own"
            case .macvlan, .virtualFunctions: "what is sent by it never enters this node's network stack"
            case .programs: "what its programs redirect passes by (the host routing of Cilium does): have them pass packets on to the stack"
            case .flowtable: "flows that it takes over pass by, also when they are denied later: leave interfaces of workloads out of it"
            case .ipvs: "policy sees addresses of its services instead of those behind them: use kube-proxy's nftables or iptables mode"
            }
        }
    }

    public let kind: Kind
    /// What was found.
    public let what: String

    public var description: String { "\(kind.rawValue): \(what); \(kind.consequence)" }
}
