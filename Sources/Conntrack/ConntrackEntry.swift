import NetworkTypes

/// A flow as the kernel's connection tracking knows it.
public struct ConntrackEntry: Hashable, Sendable, BitwiseCopyable {
    public let family: IPFamily
    public let transport: TransportProtocol
    /// As its first packet was sent.
    public let original: FlowAddresses
    /// As its answers arrive, after address translation.
    public let reply: FlowAddresses
    public let mark: UInt32
    /// `IPS_*` bits of linux/netfilter/nf_conntrack_common.h.
    public let status: UInt32
    /// `CTA_ID`: tells entries of the same tuple apart; 0 where the kernel sent none.
    public let id: UInt32
    /// 0 unless somebody on the node uses zones.
    public let zone: UInt16
    /// nil unless `net.netfilter.nf_conntrack_acct` was on when the flow began.
    public let originalCount: FlowCount?
    public let replyCount: FlowCount?
    /// `enum tcp_conntrack`: 3 established, 7 closed by time or last ACK; nil unless TCP, or where the kernel sent none.
    public let tcpState: UInt8?
    /// Seconds until the entry ends if nothing comes; nil of an entry that has ended.
    public let timeoutSeconds: UInt32?
    /// Nanoseconds since 1970; nil unless `net.netfilter.nf_conntrack_timestamp` was on when the flow began.
    public let startNanoseconds: UInt64?
    public let stopNanoseconds: UInt64?

    public init(
        family: IPFamily, transport: TransportProtocol, original: FlowAddresses, reply: FlowAddresses, mark: UInt32, status: UInt32,
        id: UInt32,
        zone: UInt16, originalCount: FlowCount?, replyCount: FlowCount?, tcpState: UInt8?, timeoutSeconds: UInt32?,
        startNanoseconds: UInt64?,
        stopNanoseconds: UInt64?
    ) {
        self.family = family
        self.transport = transport
        self.original = original
        self.reply = reply
        self.mark = mark
        self.status = status
        self.id = id
        self.zone = zone
        self.originalCount = originalCount
        self.replyCount = replyCount
        self.tcpState = tcpState
        self.timeoutSeconds = timeoutSeconds
        self.startNanoseconds = startNanoseconds
        self.stopNanoseconds = stopNanoseconds
    }
}
