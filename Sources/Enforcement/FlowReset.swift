import NetworkTypes
import PacketHeaders

/// What is needed to end a TCP connection of which a packet was refused: a verdict thread writes it into a ring, the resetter reads it.
///
/// Addresses and ports are those of the queued packet, as it stood in the filter chains: behind destination NAT, before source NAT.
public struct FlowReset: Hashable, Sendable, BitwiseCopyable {
    public let source: IPAddress
    public let destination: IPAddress
    public let sourcePort: UInt16
    public let destinationPort: UInt16
    public let sequence: UInt32
    /// 0 unless `isAcknowledging`.
    public let acknowledgement: UInt32
    /// Of payload, SYN and FIN: what the packet takes of the sequence space (RFC 9293 §3.4).
    public let sequenceLength: UInt32
    public let isAcknowledging: Bool
    /// The packet runs against the original direction of its flow.
    public let isReply: Bool
    /// Nobody else answers the sender: the refusal is a silent drop.
    public let resetsSender: Bool

    public static let filler = FlowReset(
        source: IPAddress(v4: 0), destination: IPAddress(v4: 0), sourcePort: 0, destinationPort: 0, sequence: 0, acknowledgement: 0,
        sequenceLength: 0, isAcknowledging: false, isReply: false, resetsSender: false)

    public init(
        source: IPAddress, destination: IPAddress, sourcePort: UInt16, destinationPort: UInt16, sequence: UInt32, acknowledgement: UInt32,
        sequenceLength: UInt32, isAcknowledging: Bool, isReply: Bool, resetsSender: Bool
    ) {
        self.source = source
        self.destination = destination
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
        self.sequence = sequence
        self.acknowledgement = acknowledgement
        self.sequenceLength = sequenceLength
        self.isAcknowledging = isAcknowledging
        self.isReply = isReply
        self.resetsSender = resetsSender
    }

    /// Of a packet that was parsed; nil unless it is TCP, and for a reset, which is never answered. Total and free of allocations. The copy of the packet
    /// may be cut short: its length is that of the IP header, or what was copied where that says nothing (BIG TCP).
    public init?(of packet: Span<UInt8>, _ headers: PacketHeaders, isReply: Bool, resetsSender: Bool) {
        guard headers.transport == .tcp, headers.tcpFlags & 0x04 == 0, packet.count >= headers.transportOffset + 20 else { return nil }
        let total: Int
        if headers.source.family == .v4 {
            let length = Int(packet[2]) << 8 | Int(packet[3])
            total = length == 0 ? packet.count : length
        } else {
            let length = Int(packet[4]) << 8 | Int(packet[5])
            total = length == 0 ? packet.count : 40 + length
        }
        let flags = headers.tcpFlags
        let isAcknowledging = flags & 0x10 != 0
        let payload = UInt32(clamping: max(0, total - headers.payloadOffset))
        self.init(
            source: headers.source, destination: headers.destination, sourcePort: headers.sourcePort,
            destinationPort: headers.destinationPort, sequence: Self.four(packet, headers.transportOffset + 4),
            acknowledgement: isAcknowledging ? Self.four(packet, headers.transportOffset + 8) : 0,
            sequenceLength: payload &+ UInt32(flags & 0x02 != 0 ? 1 : 0) &+ UInt32(flags & 0x01 != 0 ? 1 : 0),
            isAcknowledging: isAcknowledging, isReply: isReply, resetsSender: resetsSender)
    }

    private static func four(_ packet: Span<UInt8>, _ offset: Int) -> UInt32 {
        UInt32(packet[offset]) << 24 | UInt32(packet[offset + 1]) << 16 | UInt32(packet[offset + 2]) << 8 | UInt32(packet[offset + 3])
    }
}
