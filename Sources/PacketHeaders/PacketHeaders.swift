import NetworkTypes

/// What policy needs of a packet: addresses, protocol, ports, and where the parts begin.
///
/// The bytes begin with the IP header and may be cut short behind the transport header (NFQUEUE copies 256 bytes); with
/// GSO the length in the IP header may be far beyond them. Parsing is total and allocates nothing: every input gives
/// headers or a `PacketError`.
public struct PacketHeaders: BitwiseCopyable, Sendable {
    /// IPv6 extension headers that are followed (RFC 8200 §4); more are refused.
    public static let extensionHeadersMax = 8

    public let source: IPAddress
    public let destination: IPAddress
    /// The upper-layer protocol; ESP, "no next header" and unknown ones as they are, without ports.
    public let transport: TransportProtocol
    /// 0 where the protocol has none.
    public let sourcePort: UInt16
    public let destinationPort: UInt16
    /// FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32 (RFC 9293 §3.1); 0 unless TCP.
    public let tcpFlags: UInt8
    /// 0 unless ICMP or ICMPv6.
    public let icmpType: UInt8
    public let icmpCode: UInt8
    /// Bytes from the start of the packet.
    public let transportOffset: Int
    public let payloadOffset: Int

    public init(parsing packet: Span<UInt8>) throws(PacketError) {
        guard packet.count > 0 else { throw .empty }
        let upper: Upper
        switch packet[0] >> 4 {
        case 4: (source, destination, upper) = try Self.parseV4(packet)
        case 6: (source, destination, upper) = try Self.parseV6(packet)
        default: throw .unknownVersion
        }
        transport = TransportProtocol(rawValue: upper.protocolNumber)
        transportOffset = upper.offset
        let at = upper.offset
        var ports: (UInt16, UInt16) = (0, 0)
        var flags: UInt8 = 0
        var icmp: (UInt8, UInt8) = (0, 0)
        switch transport {
        case .tcp:
            try Self.require(packet, at, 20, upper.end)
            ports = (Self.two(packet, at), Self.two(packet, at + 2))
            let length = Int(packet[at + 12] >> 4) * 4
            guard length >= 20 else { throw .badHeaderLength }
            try Self.require(packet, at, length, upper.end)
            flags = packet[at + 13] & 0x3f
            let synchronizes = flags & 0x02 != 0
            if flags == 0 || synchronizes && flags & 0x05 != 0 { throw .illegalTCPFlags }
            payloadOffset = at + length
        case .udp, .udpLite:
            try Self.require(packet, at, 8, upper.end)
            ports = (Self.two(packet, at), Self.two(packet, at + 2))
            // Of a GSO packet the length field may be that of the whole, so only a length below the header's own is a lie.
            if transport == .udp {
                let length = Self.two(packet, at + 4)
                if length != 0, length < 8 { throw .lyingLength }
            }
            payloadOffset = at + 8
        case .sctp:
            try Self.require(packet, at, 12, upper.end)
            ports = (Self.two(packet, at), Self.two(packet, at + 2))
            payloadOffset = at + 12
        case .icmp, .icmpv6:
            try Self.require(packet, at, 4, upper.end)
            icmp = (packet[at], packet[at + 1])
            payloadOffset = at + 4
        default:
            payloadOffset = at
        }
        // Only TCP is sent beyond 64 KB, never its SYN; "no next header" (59) has no payload to lie about.
        if upper.end == Int.max, transport.rawValue != 59 {
            guard transport == .tcp, flags & 0x02 == 0 else { throw .lyingLength }
        }
        if transport.hasPorts, ports.0 == 0 || ports.1 == 0 { throw .portZero }
        (sourcePort, destinationPort) = ports
        tcpFlags = flags
        (icmpType, icmpCode) = icmp
    }

    /// Where the upper layer begins, and where the packet ends as its IP header says.
    private struct Upper {
        let protocolNumber: UInt8
        let offset: Int
        let end: Int
    }

    private static func parseV4(_ packet: Span<UInt8>) throws(PacketError) -> (IPAddress, IPAddress, Upper) {
        guard packet.count >= 20 else { throw .truncatedHeader }
        let headerLength = Int(packet[0] & 0x0f) * 4
        guard headerLength >= 20 else { throw .badHeaderLength }
        guard packet.count >= headerLength else { throw .truncatedHeader }
        // 0 of a packet beyond 64 KB (BIG TCP); `init` allows that to TCP alone.
        let total = Int(two(packet, 2))
        let end = total == 0 ? Int.max : total
        guard end >= headerLength else { throw .lyingLength }
        // More fragments, or an offset (RFC 791 §3.1).
        guard two(packet, 6) & 0x3fff == 0 else { throw .fragment }
        try checkOptions(packet, upTo: headerLength)
        let source = four(packet, 12)
        if source >> 28 == 0xe || source == .max || source == 0 { throw .illegalSource }
        return (
            IPAddress(v4: source), IPAddress(v4: four(packet, 16)), Upper(protocolNumber: packet[9], offset: headerLength, end: end)
        )
    }

    /// Walks the IPv4 options (RFC 791 §3.1), in which only a source route matters here.
    private static func checkOptions(_ packet: Span<UInt8>, upTo end: Int) throws(PacketError) {
        var offset = 20
        while offset < end {
            switch packet[offset] {
            case 0: return
            case 1: offset += 1
            case 131, 137: throw .sourceRoute
            default:
                guard offset + 1 < end, packet[offset + 1] >= 2 else { throw .badOption }
                offset += Int(packet[offset + 1])
                guard offset <= end else { throw .badOption }
            }
        }
    }

    private static func parseV6(_ packet: Span<UInt8>) throws(PacketError) -> (IPAddress, IPAddress, Upper) {
        guard packet.count >= 40 else { throw .truncatedHeader }
        // 0 of a packet beyond 64 KB (BIG TCP, RFC 2675), or of one that has no payload and says so.
        let length = Int(two(packet, 4))
        let end = length == 0 ? Int.max : 40 + length
        let source = IPAddress(v6Upper: eight(packet, 8), lower: eight(packet, 16))
        if source.upper >> 56 == 0xff || source.upper == 0 && source.lower == 0 { throw .illegalSource }
        let destination = IPAddress(v6Upper: eight(packet, 24), lower: eight(packet, 32))
        var next = packet[6]
        var offset = 40
        var headers = 0
        while true {
            let size: Int
            switch next {
            case 0, 43, 60:  // hop-by-hop, routing, destination options
                try require(packet, offset, 8, end)
                size = (Int(packet[offset + 1]) + 1) * 8
                // The destination of a packet with segments left is a stop on its way (RFC 8200 §4.4).
                guard next != 43 || packet[offset + 3] == 0 else { throw .sourceRoute }
            case 51:  // authentication header (RFC 4302 §2.2: in 4-byte units, less 2; 12 bytes are fixed)
                try require(packet, offset, 12, end)
                size = (Int(packet[offset + 1]) + 2) * 4
                guard size >= 12 else { throw .badHeaderLength }
            case 44:
                throw .fragment
            default:
                return (source, destination, Upper(protocolNumber: next, offset: offset, end: end))
            }
            headers += 1
            guard headers <= extensionHeadersMax else { throw .tooManyExtensionHeaders }
            try require(packet, offset, size, end)
            next = packet[offset]
            offset += size
        }
    }

    /// `count` bytes at `offset` are there, and the packet claims to reach that far.
    private static func require(_ packet: Span<UInt8>, _ offset: Int, _ count: Int, _ end: Int) throws(PacketError) {
        guard offset + count <= end else { throw .lyingLength }
        guard offset + count <= packet.count else { throw .truncatedHeader }
    }

    private static func two(_ packet: Span<UInt8>, _ offset: Int) -> UInt16 {
        UInt16(packet[offset]) << 8 | UInt16(packet[offset + 1])
    }

    static func four(_ packet: Span<UInt8>, _ offset: Int) -> UInt32 {
        UInt32(two(packet, offset)) << 16 | UInt32(two(packet, offset + 2))
    }

    static func eight(_ packet: Span<UInt8>, _ offset: Int) -> UInt64 {
        UInt64(four(packet, offset)) << 32 | UInt64(four(packet, offset + 4))
    }
}
