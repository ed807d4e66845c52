/// What the kernel says about a packet in the queue, besides its bytes (`struct nfqnl_msg_packet_hdr` and attributes,
/// linux/netfilter/nfnetlink_queue.h).
public struct QueuedPacket: BitwiseCopyable, Sendable, Hashable {
    /// Counts up within a queue, from 1; wraps.
    public var id: UInt32
    /// Ethertype, host byte order: 0x0800 IPv4, 0x86dd IPv6.
    public var hardwareProtocol: UInt16
    /// `NF_INET_LOCAL_IN` (1), `NF_INET_FORWARD` (2), `NF_INET_LOCAL_OUT` (3).
    public var hook: UInt8
    /// The packet mark: our question (`MarkLayout`) and foreign bits.
    public var mark: UInt32
    /// Interface numbers, 0 if there is none at this hook.
    public var inputInterface: UInt32
    public var outputInterface: UInt32
    /// Bytes of the packet before it was cut to the copy range.
    public var originalLength: UInt32
    /// Several segments or datagrams in one (`NFQA_SKB_GSO`), which will be sent apart.
    public var isAggregate = false

    @inlinable
    public init(
        id: UInt32, hardwareProtocol: UInt16 = 0, hook: UInt8 = 0, mark: UInt32 = 0, inputInterface: UInt32 = 0,
        outputInterface: UInt32 = 0, originalLength: UInt32 = 0
    ) {
        self.id = id
        self.hardwareProtocol = hardwareProtocol
        self.hook = hook
        self.mark = mark
        self.inputInterface = inputInterface
        self.outputInterface = outputInterface
        self.originalLength = originalLength
    }
}
