/// One attribute of a netlink message: its type without the flag bits, and where its payload lies (`struct nlattr`, linux/netlink.h).
public struct NetlinkAttribute: BitwiseCopyable, Sendable {
    public let type: UInt16
    public let start: Int
    public let end: Int

    @inlinable public var count: Int { end - start }

    /// Reads the attribute at `offset` and moves `offset` behind it and its padding; nil at `end`, or when it does not fit before `end`.
    @inlinable
    public init?(in bytes: Span<UInt8>, at offset: inout Int, end: Int) {
        let start = offset
        let limit = end < bytes.count ? end : bytes.count
        guard start >= 0, limit - start >= 4 else { return nil }
        let length = Int(bytes.netlinkNative16(at: start))
        guard length >= 4, length <= limit - start else { return nil }
        type = bytes.netlinkNative16(at: start + 2) & 0x3fff
        self.start = start + 4
        self.end = start + length
        offset = start + (length + 3) & ~3
    }
}
