import Netlink
import NetworkTypes

extension ConntrackEntry {
    /// Decodes one message of a dump (`IPCTNL_MSG_CT_NEW`); nil without both tuples. Total.
    public init?(decoding bytes: Span<UInt8>, _ message: NetlinkMessage) {
        var offset = message.payloadStart + 4
        var original: (FlowAddresses, UInt8)?
        var reply: (FlowAddresses, UInt8)?
        var mark: UInt32 = 0
        var status: UInt32 = 0
        while let attribute = NetlinkAttribute(in: bytes, at: &offset, end: message.payloadEnd) {
            switch attribute.type {
            case 1: original = Self.tuple(bytes, attribute)  // CTA_TUPLE_ORIG
            case 2: reply = Self.tuple(bytes, attribute)  // CTA_TUPLE_REPLY
            case 3 where attribute.count == 4: status = bytes.netlinkBig32(at: attribute.start)  // CTA_STATUS
            case 8 where attribute.count == 4: mark = bytes.netlinkBig32(at: attribute.start)  // CTA_MARK
            default: break
            }
        }
        guard let original, let reply else { return nil }
        self.init(
            family: original.0.source.family, transport: TransportProtocol(rawValue: original.1), original: original.0, reply: reply.0,
            mark: mark, status: status)
    }

    private static func tuple(_ bytes: Span<UInt8>, _ attribute: NetlinkAttribute) -> (FlowAddresses, UInt8)? {
        var source: IPAddress?
        var destination: IPAddress?
        var number: UInt8 = 0
        var ports: (UInt16, UInt16) = (0, 0)
        var offset = attribute.start
        while let part = NetlinkAttribute(in: bytes, at: &offset, end: attribute.end) {
            var inner = part.start
            while let field = NetlinkAttribute(in: bytes, at: &inner, end: part.end) {
                switch (part.type, field.type, field.count) {
                case (1, 1, 4), (1, 3, 16): source = IPAddress(networkBytes: bytes.extracting(field.start..<field.end))
                case (1, 2, 4), (1, 4, 16): destination = IPAddress(networkBytes: bytes.extracting(field.start..<field.end))
                case (2, 1, 1): number = bytes[field.start]  // CTA_PROTO_NUM
                case (2, 2, 2): ports.0 = bytes.netlinkBig16(at: field.start)  // CTA_PROTO_SRC_PORT
                case (2, 3, 2): ports.1 = bytes.netlinkBig16(at: field.start)  // CTA_PROTO_DST_PORT
                case (2, 4, 2), (2, 7, 2): ports.0 = bytes.netlinkBig16(at: field.start)  // CTA_PROTO_ICMP_ID, _ICMPV6_ID
                case (2, 5, 1), (2, 8, 1): ports.1 |= UInt16(bytes[field.start]) << 8  // type
                case (2, 6, 1), (2, 9, 1): ports.1 |= UInt16(bytes[field.start])  // code
                default: break
                }
            }
        }
        guard let source, let destination, source.family == destination.family else { return nil }
        return (FlowAddresses(source: source, destination: destination, sourcePort: ports.0, destinationPort: ports.1), number)
    }
}
