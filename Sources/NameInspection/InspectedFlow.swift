import NetworkTypes

/// The tuple of a flow whose name is looked for, as its originator sends it.
public struct InspectedFlow: Hashable, Sendable, BitwiseCopyable {
    public let source: IPAddress
    public let destination: IPAddress
    public let transport: TransportProtocol
    public let sourcePort: UInt16
    public let destinationPort: UInt16

    public init(source: IPAddress, destination: IPAddress, transport: TransportProtocol, sourcePort: UInt16, destinationPort: UInt16) {
        self.source = source
        self.destination = destination
        self.transport = transport
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
    }
}
