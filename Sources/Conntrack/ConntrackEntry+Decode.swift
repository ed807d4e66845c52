import Netlink
import NetworkTypes

extension ConntrackEntry {
    /// Decodes one message about an entry (`IPCTNL_MSG_CT_NEW` or `_DELETE`, of a dump or an event); nil without both tuples. Total:
    /// attributes of another length than theirs count as absent.
    public init?(decoding bytes: Span<UInt8>, _ message: NetlinkMessage) {
        var offset = message.payloadStart + 4
        var original: (FlowAddresses, UInt8)?
        var reply: (FlowAddresses, UInt8)?
        var fields = Fields()
        while let attribute = NetlinkAttribute(in: bytes, at: &offset, end: message.payloadEnd) {
            switch attribute.type {
            case 1: original = Self.tuple(bytes, attribute)  // CTA_TUPLE_ORIG
            case 2: reply = Self.tuple(bytes, attribute)  // CTA_TUPLE_REPLY
            default: fields.read(bytes, attribute)
            }
        }
        guard let original, let reply, original.1 == reply.1, original.0.source.family == reply.0.source.family else { return nil }
        self.init(
            family: original.0.source.family, transport: TransportProtocol(rawValue: original.1), original: original.0, reply: reply.0,
            mark: fields.mark, status: fields.status, id: fields.id, zone: fields.zone, originalCount: fields.originalCount,
            replyCount: fields.replyCount, tcpState: fields.tcpState, timeoutSeconds: fields.timeoutSeconds,
            startNanoseconds: fields.start, stopNanoseconds: fields.stop)
    }

    /// Everything but the tuples.
    private struct Fields {
        var mark: UInt32 = 0
        var status: UInt32 = 0
        var id: UInt32 = 0
        var zone: UInt16 = 0
        var originalCount: FlowCount?
        var replyCount: FlowCount?
        var tcpState: UInt8?
        var timeoutSeconds: UInt32?
        var start: UInt64?
        var stop: UInt64?

        mutating func read(_ bytes: Span<UInt8>, _ attribute: NetlinkAttribute) {
            switch (attribute.type, attribute.count) {
            case (3, 4): status = bytes.netlinkBig32(at: attribute.start)  // CTA_STATUS
            case (4, _): tcpState = Self.tcpState(bytes, attribute)  // CTA_PROTOINFO
            case (7, 4): timeoutSeconds = bytes.netlinkBig32(at: attribute.start)  // CTA_TIMEOUT
            case (8, 4): mark = bytes.netlinkBig32(at: attribute.start)  // CTA_MARK
            case (9, _): originalCount = Self.count(bytes, attribute)  // CTA_COUNTERS_ORIG
            case (10, _): replyCount = Self.count(bytes, attribute)  // CTA_COUNTERS_REPLY
            case (12, 4): id = bytes.netlinkBig32(at: attribute.start)  // CTA_ID
            case (18, 2): zone = bytes.netlinkBig16(at: attribute.start)  // CTA_ZONE
            case (20, _):  // CTA_TIMESTAMP
                var inner = attribute.start
                while let field = NetlinkAttribute(in: bytes, at: &inner, end: attribute.end) {
                    switch (field.type, field.count) {
                    case (1, 8): start = bytes.netlinkBig64(at: field.start)  // CTA_TIMESTAMP_START
                    case (2, 8): stop = bytes.netlinkBig64(at: field.start)  // CTA_TIMESTAMP_STOP
                    default: break
                    }
                }
            default: break
            }
        }

        /// `CTA_COUNTERS_PACKETS` and `_BYTES`; nil unless both are there.
        private static func count(_ bytes: Span<UInt8>, _ attribute: NetlinkAttribute) -> FlowCount? {
            var packets: UInt64?
            var octets: UInt64?
            var inner = attribute.start
            while let field = NetlinkAttribute(in: bytes, at: &inner, end: attribute.end) {
                switch (field.type, field.count) {
                case (1, 8): packets = bytes.netlinkBig64(at: field.start)
                case (2, 8): octets = bytes.netlinkBig64(at: field.start)
                default: break
                }
            }
            guard let packets, let octets else { return nil }
            return FlowCount(packets: packets, bytes: octets)
        }

        /// `CTA_PROTOINFO_TCP` holds `CTA_PROTOINFO_TCP_STATE`.
        private static func tcpState(_ bytes: Span<UInt8>, _ attribute: NetlinkAttribute) -> UInt8? {
            var found: UInt8?
            var offset = attribute.start
            while let part = NetlinkAttribute(in: bytes, at: &offset, end: attribute.end) {
                guard part.type == 1 else { continue }
                var inner = part.start
                while let field = NetlinkAttribute(in: bytes, at: &inner, end: part.end) {
                    if field.type == 1, field.count == 1 { found = bytes[field.start] }
                }
            }
            return found
        }
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
