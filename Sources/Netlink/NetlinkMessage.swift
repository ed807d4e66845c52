/// The header of one netlink message and where its payload lies in the buffer (`struct nlmsghdr`, linux/netlink.h).
public struct NetlinkMessage: BitwiseCopyable, Sendable {
    public let type: UInt16
    public let flags: UInt16
    public let sequence: UInt32
    /// The port id of the socket whose request this answers or announces (`nlmsg_pid`).
    public let portID: UInt32
    /// The bytes after the header, without padding.
    public let payloadStart: Int
    public let payloadEnd: Int

    /// `NLMSG_ERROR`: an error or, with errno 0, an acknowledgement.
    public static let errorType: UInt16 = 2
    /// `NLMSG_DONE`: the end of a dump.
    public static let doneType: UInt16 = 3
    /// `NLM_F_DUMP_INTR`: the table changed during the dump, which may be inconsistent.
    public static let dumpInterruptedFlag: UInt16 = 0x10

    /// Reads the message at `offset` and moves `offset` behind it; nil at the end, or when the header does not fit or its length is a lie.
    @inlinable
    public init?(in bytes: Span<UInt8>, at offset: inout Int) {
        let start = offset
        guard start >= 0, bytes.count - start >= 16 else { return nil }
        let length = Int(bytes.netlinkNative32(at: start))
        guard length >= 16, length <= bytes.count - start else { return nil }
        type = bytes.netlinkNative16(at: start + 4)
        flags = bytes.netlinkNative16(at: start + 6)
        sequence = bytes.netlinkNative32(at: start + 8)
        portID = bytes.netlinkNative32(at: start + 12)
        payloadStart = start + 16
        payloadEnd = start + length
        offset = start + (length + 3) & ~3
    }

    /// The errno that an `NLMSG_ERROR` carries, positive; 0 for an acknowledgement; nil for other messages and truncated ones.
    @inlinable
    public func errorNumber(in bytes: Span<UInt8>) -> Int32? {
        guard type == Self.errorType || type == Self.doneType, payloadEnd - payloadStart >= 4 else { return nil }
        return 0 &- Int32(truncatingIfNeeded: bytes.netlinkNative32(at: payloadStart))
    }
}
