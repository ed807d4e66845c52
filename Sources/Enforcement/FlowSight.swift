import NetworkTypes

/// What connection tracking tells of one flow: an event, or an entry of a dump.
public struct FlowSight: Hashable, Sendable, BitwiseCopyable {
    /// What our bits of the conntrack mark say.
    public enum Mark: UInt8, Hashable, Sendable, BitwiseCopyable {
        /// Not decided yet.
        case none
        /// Admitted, under some generation.
        case admitted
        /// Admitted as far as the address goes; its name is still to be checked.
        case pending
        /// It was admitted once, and is refused now.
        case denied
        /// It was admitted once, and its next packet is decided anew.
        case asked
    }

    public let key: FlowKey
    /// What the originator addressed, before destination NAT.
    public let originalDestination: IPAddress
    public let originalDestinationPort: UInt16
    /// Of the conntrack entry.
    public let id: UInt32
    public let mark: Mark
    /// Of the originator; nil if it is nobody's that policy knows.
    public let endpoint: EndpointID?
    /// nil where connection tracking did not count.
    public let count: FlowTraffic?
    /// When it began; nil if unknown.
    public let start: Instant?

    public init(
        key: FlowKey, originalDestination: IPAddress, originalDestinationPort: UInt16, id: UInt32, mark: Mark, endpoint: EndpointID?,
        count: FlowTraffic?, start: Instant?
    ) {
        self.key = key
        self.originalDestination = originalDestination
        self.originalDestinationPort = originalDestinationPort
        self.id = id
        self.mark = mark
        self.endpoint = endpoint
        self.count = count
        self.start = start
    }
}
