import NetworkTypes

/// A TCP segment that resets a connection, with its IP header (RFC 9293 §3.1, RFC 791, RFC 8200): no options, no payload.
///
/// ```
/// IPv4: [IP header 20][TCP header 20]      IPv6: [IP header 40][TCP header 20]
/// ```
public struct ResetSegment: Hashable, Sendable, BitwiseCopyable {
    public let source: IPAddress
    public let destination: IPAddress
    public let sourcePort: UInt16
    public let destinationPort: UInt16
    /// A receiver believes a reset only if this is exactly what it expects next (RFC 5961 §3.2); else it asks.
    public let sequence: UInt32
    /// nil: the segment does not acknowledge.
    public let acknowledgement: UInt32?

    /// Both addresses are of one family.
    public init(
        source: IPAddress, destination: IPAddress, sourcePort: UInt16, destinationPort: UInt16, sequence: UInt32, acknowledgement: UInt32?
    ) {
        precondition(source.family == destination.family, "a packet has one family")
        self.source = source
        self.destination = destination
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
        self.sequence = sequence
        self.acknowledgement = acknowledgement
    }

    /// The packet, checksums included.
    public var bytes: [UInt8] {
        let tcp = transport
        var packet: [UInt8] = []
        packet.reserveCapacity(60)
        if source.family == .v4 {
            packet += [0x45, 0]
            Self.append(UInt16(20 + tcp.count), to: &packet)
            packet += [0, 0, 0x40, 0, 64, 6, 0, 0]  // id 0 with "don't fragment" (RFC 6864 §4.1); 64 hops; TCP; checksum
            packet += source.networkBytes + destination.networkBytes
            Self.put(Self.checksum(packet, seed: 0), at: 10, in: &packet)
        } else {
            packet += [0x60, 0, 0, 0]
            Self.append(UInt16(tcp.count), to: &packet)
            packet += [6, 64]
            packet += source.networkBytes + destination.networkBytes
        }
        return packet + tcp
    }

    private var transport: [UInt8] {
        var header: [UInt8] = []
        Self.append(sourcePort, to: &header)
        Self.append(destinationPort, to: &header)
        Self.append(sequence, to: &header)
        Self.append(acknowledgement ?? 0, to: &header)
        header += [0x50, acknowledgement == nil ? 0x04 : 0x14, 0, 0, 0, 0, 0, 0]  // five words; RST, or RST and ACK; no window
        // The pseudo-header (RFC 9293 §3.1, RFC 8200 §8.1): addresses, length, protocol.
        let addresses = source.networkBytes + destination.networkBytes
        var seed = UInt32(header.count) + 6
        for index in stride(from: 0, to: addresses.count, by: 2) { seed += UInt32(addresses[index]) << 8 | UInt32(addresses[index + 1]) }
        Self.put(Self.checksum(header, seed: seed), at: 16, in: &header)
        return header
    }

    /// RFC 1071, of an even number of bytes.
    static func checksum(_ bytes: [UInt8], seed: UInt32) -> UInt16 {
        var sum = seed
        for index in stride(from: 0, to: bytes.count - 1, by: 2) { sum += UInt32(bytes[index]) << 8 | UInt32(bytes[index + 1]) }
        while sum >> 16 != 0 { sum = sum & 0xffff + sum >> 16 }
        return ~UInt16(truncatingIfNeeded: sum)
    }

    private static func append(_ value: UInt16, to bytes: inout [UInt8]) {
        bytes += [UInt8(value >> 8), UInt8(truncatingIfNeeded: value)]
    }

    private static func append(_ value: UInt32, to bytes: inout [UInt8]) {
        append(UInt16(value >> 16), to: &bytes)
        append(UInt16(truncatingIfNeeded: value), to: &bytes)
    }

    private static func put(_ value: UInt16, at offset: Int, in bytes: inout [UInt8]) {
        bytes[offset] = UInt8(value >> 8)
        bytes[offset + 1] = UInt8(truncatingIfNeeded: value)
    }
}
