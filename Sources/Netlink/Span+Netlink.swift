// Integers of netlink messages, read byte by byte: attributes are aligned to 4 bytes only. Headers are in host byte order, most of
// nfnetlink's attributes in network byte order. The caller has checked that the bytes are there; outside of the span these trap.

extension Span<UInt8> {
    @inlinable
    public func netlinkNative16(at offset: Int) -> UInt16 {
        UInt16(littleEndian: UInt16(self[offset]) | UInt16(self[offset + 1]) << 8)
    }

    @inlinable
    public func netlinkNative32(at offset: Int) -> UInt32 {
        UInt32(
            littleEndian: UInt32(self[offset]) | UInt32(self[offset + 1]) << 8 | UInt32(self[offset + 2]) << 16
                | UInt32(self[offset + 3]) << 24)
    }

    @inlinable
    public func netlinkBig16(at offset: Int) -> UInt16 {
        UInt16(self[offset]) << 8 | UInt16(self[offset + 1])
    }

    @inlinable
    public func netlinkBig32(at offset: Int) -> UInt32 {
        UInt32(self[offset]) << 24 | UInt32(self[offset + 1]) << 16 | UInt32(self[offset + 2]) << 8 | UInt32(self[offset + 3])
    }

    @inlinable
    public func netlinkBig64(at offset: Int) -> UInt64 {
        UInt64(netlinkBig32(at: offset)) << 32 | UInt64(netlinkBig32(at: offset + 4))
    }
}
