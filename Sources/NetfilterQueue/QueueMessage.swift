import Netlink

/// One message from the socket of a queue, decoded. Total: lies and truncation give `malformed`, never a trap.
@frozen
public enum QueueMessage: BitwiseCopyable, Sendable {
    /// A packet; its bytes lie at payloadStart..<payloadEnd of the buffer (empty without `NFQA_PAYLOAD`).
    case packet(QueuedPacket, payloadStart: Int, payloadEnd: Int)
    /// The kernel refused a verdict: a positive errno, 0 for an acknowledgement.
    case error(Int32)
    /// Not a packet message, or one that cannot be believed. The id if it was readable: that packet still needs a verdict.
    case malformed(id: UInt32?)
    /// A netlink message of another kind (`NLMSG_DONE`, `NLMSG_NOOP`).
    case other

    /// `NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET`.
    @inlinable static var packetType: UInt16 { 3 << 8 }

    /// Decodes the message that begins at `offset` and moves `offset` behind it; nil at the end of the buffer.
    ///
    /// A message whose length is a lie ends the buffer with `malformed`.
    @inlinable
    public static func next(in bytes: Span<UInt8>, at offset: inout Int) -> QueueMessage? {
        guard offset < bytes.count else { return nil }
        guard let message = NetlinkMessage(in: bytes, at: &offset) else {
            let id = packetID(in: bytes, headerStart: offset)
            offset = bytes.count
            return .malformed(id: id)
        }
        if message.type == NetlinkMessage.errorType {
            guard let error = message.errorNumber(in: bytes) else { return .malformed(id: nil) }
            return .error(error)
        }
        guard message.type == packetType else { return message.type < 16 ? .other : .malformed(id: nil) }

        var packet = QueuedPacket(id: 0)
        var hasHeader = false
        var payloadStart = 0
        var payloadEnd = 0
        var position = message.payloadStart + 4  // struct nfgenmsg
        while let attribute = NetlinkAttribute(in: bytes, at: &position, end: message.payloadEnd) {
            switch attribute.type {
            case 1:  // NFQA_PACKET_HDR: id, ethertype (big endian), hook
                guard attribute.count >= 7, !hasHeader else { return .malformed(id: hasHeader ? packet.id : nil) }
                packet.id = bytes.netlinkBig32(at: attribute.start)
                packet.hardwareProtocol = bytes.netlinkBig16(at: attribute.start + 4)
                packet.hook = bytes[attribute.start + 6]
                hasHeader = true
            case 3 where attribute.count == 4: packet.mark = bytes.netlinkBig32(at: attribute.start)  // NFQA_MARK
            case 5 where attribute.count == 4: packet.inputInterface = bytes.netlinkBig32(at: attribute.start)  // NFQA_IFINDEX_INDEV
            case 6 where attribute.count == 4: packet.outputInterface = bytes.netlinkBig32(at: attribute.start)  // NFQA_IFINDEX_OUTDEV
            case 10:  // NFQA_PAYLOAD
                payloadStart = attribute.start
                payloadEnd = attribute.end
            case 13 where attribute.count == 4: packet.originalLength = bytes.netlinkBig32(at: attribute.start)  // NFQA_CAP_LEN
            case 14 where attribute.count == 4: packet.isAggregate = bytes.netlinkBig32(at: attribute.start) & 2 != 0  // NFQA_SKB_INFO
            default: break
            }
        }
        guard hasHeader else { return .malformed(id: nil) }
        // What is left must be padding: a broken attribute hides what follows it.
        guard position >= message.payloadEnd else { return .malformed(id: packet.id) }
        if packet.originalLength == 0 { packet.originalLength = UInt32(truncatingIfNeeded: payloadEnd - payloadStart) }
        return .packet(packet, payloadStart: payloadStart, payloadEnd: payloadEnd)
    }

    /// The id in a message that was cut short: `NFQA_PACKET_HDR` comes first.
    @inlinable
    static func packetID(in bytes: Span<UInt8>, headerStart start: Int) -> UInt32? {
        guard bytes.count - start >= 28, bytes.netlinkNative16(at: start + 4) == packetType, bytes.netlinkNative16(at: start + 22) == 1
        else {
            return nil
        }
        return bytes.netlinkBig32(at: start + 24)
    }
}
