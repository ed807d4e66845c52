import NetworkTypes

/// One direction of a conntrack entry (`struct nf_conntrack_tuple`). Ports are 0 where the protocol has none; for ICMP they hold
/// the identifier and `type << 8 | code`.
public struct FlowAddresses: Hashable, Sendable, BitwiseCopyable {
    public let source: IPAddress
    public let destination: IPAddress
    public let sourcePort: UInt16
    public let destinationPort: UInt16

    public init(source: IPAddress, destination: IPAddress, sourcePort: UInt16, destinationPort: UInt16) {
        self.source = source
        self.destination = destination
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
    }

    /// The other direction, where nothing is translated.
    public var reversed: FlowAddresses {
        FlowAddresses(source: destination, destination: source, sourcePort: destinationPort, destinationPort: sourcePort)
    }
}
