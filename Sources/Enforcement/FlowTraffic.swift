/// Packets and bytes of a flow, with IP headers: out is from its originator, the endpoint.
public struct FlowTraffic: Hashable, Sendable, BitwiseCopyable {
    public var packetsOut: UInt64
    public var bytesOut: UInt64
    public var packetsIn: UInt64
    public var bytesIn: UInt64

    public static let zero = FlowTraffic(packetsOut: 0, bytesOut: 0, packetsIn: 0, bytesIn: 0)

    public init(packetsOut: UInt64, bytesOut: UInt64, packetsIn: UInt64, bytesIn: UInt64) {
        self.packetsOut = packetsOut
        self.bytesOut = bytesOut
        self.packetsIn = packetsIn
        self.bytesIn = bytesIn
    }

    /// Adds what came since `earlier`; what is less than it counts from the beginning, because another entry counts then.
    mutating func add(_ later: FlowTraffic, since earlier: FlowTraffic) {
        func more(_ now: UInt64, _ before: UInt64) -> UInt64 { now >= before ? now - before : now }
        packetsOut &+= more(later.packetsOut, earlier.packetsOut)
        bytesOut &+= more(later.bytesOut, earlier.bytesOut)
        packetsIn &+= more(later.packetsIn, earlier.packetsIn)
        bytesIn &+= more(later.bytesIn, earlier.bytesIn)
    }
}
