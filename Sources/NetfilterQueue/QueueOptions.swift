/// How a queue is set up.
public struct QueueOptions: Sendable, Hashable {
    /// Bytes of each packet that are copied to us; 256 hold every header chain that is judged.
    public var copyRange: UInt32 = 256
    /// Packets that may wait for a verdict (`NFQA_CFG_QUEUE_MAXLEN`); beyond that the kernel drops, or accepts with `failsOpen`.
    public var lengthMax: UInt32 = 4096
    /// `NFQA_CFG_F_FAIL_OPEN`: packets that find the queue full are accepted. For audit mode only.
    public var failsOpen = false
    /// Bytes of the socket's receive buffer, beyond the system's limit (`SO_RCVBUFFORCE`).
    public var receiveBuffer: Int32 = 16 << 20

    /// Whether segments and datagrams that the kernel has put together come as one packet (`NFQA_CFG_F_GSO`); else each by itself.
    public var takesAggregates = true

    /// Packets that may be held (`PacketVerdict.hold`); one more is dropped. `lengthMax` bounds them as well.
    public var heldMax = 0
    /// How long a packet may be held; then it is dropped.
    public var holdMilliseconds: UInt32 = 100

    public init() {}
}
