/// What conntrack has counted of one direction of a flow (`CTA_COUNTERS_ORIG`, `CTA_COUNTERS_REPLY`): bytes with IP headers.
public struct FlowCount: Hashable, Sendable, BitwiseCopyable {
    public let packets: UInt64
    public let bytes: UInt64

    public init(packets: UInt64, bytes: UInt64) {
        self.packets = packets
        self.bytes = bytes
    }
}
