import NetworkTypes

/// One flow as the reference evaluator sees it.
public struct ReferenceFlow: Hashable, Sendable {
    public var source: IPAddress
    public var destination: IPAddress
    public var transport: TransportProtocol
    /// 0 where the protocol has no ports.
    public var sourcePort: UInt16
    public var destinationPort: UInt16
    /// 0 unless the protocol is ICMP or ICMPv6.
    public var icmpType: UInt8
    public var icmpCode: UInt8

    public init(
        source: IPAddress, destination: IPAddress, transport: TransportProtocol, sourcePort: UInt16 = 0, destinationPort: UInt16 = 0,
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
