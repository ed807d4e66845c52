import NetworkTypes
import PolicyEngine

/// What tells a flow from others, as verdicts and connection tracking both see it: its originator, and its responder behind destination NAT. In a conntrack entry
/// these are the sources of the two tuples.
public struct FlowKey: Hashable, Sendable, BitwiseCopyable {
    public let source: IPAddress
    public let destination: IPAddress
    public let transport: TransportProtocol
    /// For ICMP the identifier; else 0 where the protocol has no ports.
    public let sourcePort: UInt16
    /// For ICMP `type << 8 | code`; else 0 where the protocol has no ports.
    public let destinationPort: UInt16

    public init(source: IPAddress, destination: IPAddress, transport: TransportProtocol, sourcePort: UInt16, destinationPort: UInt16) {
        self.source = source
        self.destination = destination
        self.transport = transport
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
    }

    /// Of a verdict; nil where a verdict does not tell flows apart (it has no ICMP identifier).
    init?(_ flow: FlowTuple) {
        guard flow.transport.hasPorts else { return nil }
        self.init(
            source: flow.source, destination: flow.destination, transport: flow.transport, sourcePort: flow.sourcePort,
            destinationPort: flow.destinationPort)
    }
}
