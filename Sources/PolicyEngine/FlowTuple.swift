import NetworkTypes

/// One flow as its originator sent it: addresses and ports of the conntrack original direction, after DNAT.
@frozen
public struct FlowTuple: Hashable, Sendable, BitwiseCopyable {
    public let source: IPAddress
    public let destination: IPAddress
    public let transport: TransportProtocol
    /// 0 where the protocol has no ports.
    public let sourcePort: UInt16
    public let destinationPort: UInt16
    /// 0 unless the protocol is ICMP or ICMPv6.
    public let icmpType: UInt8
    public let icmpCode: UInt8

    @inlinable
    public init(
        source: IPAddress, destination: IPAddress, transport: TransportProtocol, sourcePort: UInt16, destinationPort: UInt16,
        icmpType: UInt8 = 0, icmpCode: UInt8 = 0
    ) {
        self.source = source
        self.destination = destination
        self.transport = transport
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
        self.icmpType = icmpType
        self.icmpCode = icmpCode
    }
}
