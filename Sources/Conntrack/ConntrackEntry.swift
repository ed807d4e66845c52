import NetworkTypes

/// A flow as the kernel's connection tracking knows it.
public struct ConntrackEntry: Hashable, Sendable, BitwiseCopyable {
    public let family: IPFamily
    public let transport: TransportProtocol
    /// As its first packet was sent.
    public let original: FlowAddresses
    /// As its answers arrive, after address translation.
    public let reply: FlowAddresses
    public let mark: UInt32
    /// `IPS_*` bits of linux/netfilter/nf_conntrack_common.h.
    public let status: UInt32
}
