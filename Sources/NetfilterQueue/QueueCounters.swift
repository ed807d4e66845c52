/// What a queue socket has counted since it was opened.
public struct QueueCounters: BitwiseCopyable, Sendable, Hashable {
    /// Packets decided by the handler.
    public var packets: UInt64 = 0
    /// Calls of recvmmsg that gave at least one message.
    public var batches: UInt64 = 0
    /// Messages that could not be decoded; their packets were dropped if the id was readable.
    public var malformed: UInt64 = 0
    /// Verdicts that the kernel refused (`NLMSG_ERROR`), mostly ENOENT: the packet was gone already.
    public var verdictErrors: UInt64 = 0
    /// `ENOBUFS`: the socket's buffer was full and the kernel dropped messages, and with them packets.
    public var overruns: UInt64 = 0
    /// Verdicts that could not be sent; their packets wait until the queue is closed or adopted.
    public var sendErrors: UInt64 = 0

    /// Packets that were held for a later verdict.
    public var held: UInt64 = 0
    /// Of these, dropped because nobody released them in time.
    public var heldTooLong: UInt64 = 0
    /// Packets that were to be held and found no room: dropped.
    public var holdOverflows: UInt64 = 0

    public init() {}
}
