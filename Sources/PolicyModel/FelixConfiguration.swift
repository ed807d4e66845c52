import NetworkTypes

/// The fields of a `FelixConfiguration` of `projectcalico.org/v3` that bear on egress. Nil: not given, Exeat's own configuration or
/// default counts.
public struct FelixConfiguration: Sendable, Hashable {
    /// A port that policy on host endpoints can never close.
    public struct FailsafePort: Sendable, Hashable {
        public var `protocol`: TransportProtocol
        public var port: UInt16
        /// Nil: any.
        public var net: IPPrefix?

        public init(protocol: TransportProtocol, port: UInt16, net: IPPrefix? = nil) {
            self.protocol = `protocol`
            self.port = port
            self.net = net
        }
    }

    /// What becomes of packets from a workload to its own node after policy allowed them.
    public enum EndpointToHostAction: String, Sendable, Hashable, CaseIterable {
        case drop = "Drop"
        case `return` = "Return"
        case accept = "Accept"
    }

    /// How a denied packet is refused.
    public enum FilterDenyAction: String, Sendable, Hashable, CaseIterable {
        case drop = "Drop"
        case reject = "Reject"
    }

    public var name: String
    public var failsafeOutboundHostPorts: [FailsafePort]?
    public var failsafeInboundHostPorts: [FailsafePort]?
    public var defaultEndpointToHostAction: EndpointToHostAction?
    /// Of `nftablesFilterDenyAction` or `iptablesFilterDenyAction`.
    public var filterDenyAction: FilterDenyAction?
    /// Seconds added to each TTL (`dnsExtraTTL`).
    public var dnsExtraTTLSeconds: UInt32?
    /// `dnsTrustedServers`, as written: an address, `address:port`, or `k8s-service:[namespace/]name[:port]`.
    public var dnsTrustedServers: [String]?
    /// `vxlanPort`, by default 4789.
    public var vxlanPort: UInt16?
    /// Other fields that were given, valid, and have no effect here.
    public var ignoredFields: [String]
    public var location: SourceLocation?

    public init(name: String = "default", location: SourceLocation? = nil) {
        self.name = name
        ignoredFields = []
        self.location = location
    }

    /// Calico's own: DNS, DHCP, BGP, etcd, Typha, the API server (docs.tigera.io, FelixConfiguration, failsafeOutboundHostPorts).
    public static let defaultFailsafeOutbound: [FailsafePort] =
        [FailsafePort(protocol: .udp, port: 53), FailsafePort(protocol: .udp, port: 67)]
        + [179, 2379, 2380, 5473, 6443, 6666, 6667].map { FailsafePort(protocol: .tcp, port: $0) }

    /// Calico's own: SSH, DHCP, BGP, etcd, Typha, the API server (docs.tigera.io, FelixConfiguration, failsafeInboundHostPorts).
    public static let defaultFailsafeInbound: [FailsafePort] =
        [FailsafePort(protocol: .udp, port: 68)]
        + [22, 179, 2379, 2380, 5473, 6443, 6666, 6667].map { FailsafePort(protocol: .tcp, port: $0) }
}
