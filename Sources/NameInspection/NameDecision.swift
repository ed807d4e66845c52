import NetworkTypes

/// The end of a search for a name: what was found, and the packets that wait for the verdict.
public struct NameDecision: Hashable, Sendable {
    public enum Finding: Hashable, Sendable {
        case name(SeenName)
        case fault(NameFault)
    }

    public let flow: InspectedFlow
    public let client: EndpointID
    public let finding: Finding
    /// Packet ids of the queue, in the order in which they came, the one at hand last. All get the same verdict.
    public let packets: [UInt32]
    /// The flow was settled before: this is a further packet of QUIC. A fault then concerns these packets only.
    public let isRepeated: Bool

    public init(flow: InspectedFlow, client: EndpointID, finding: Finding, packets: [UInt32], isRepeated: Bool = false) {
        self.flow = flow
        self.client = client
        self.finding = finding
        self.packets = packets
        self.isRepeated = isRepeated
    }
}
