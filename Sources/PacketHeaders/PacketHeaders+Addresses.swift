import NetworkTypes

extension PacketHeaders {
    /// Source and destination where they stand in an IP header, of a packet that need not be good in any other way; nil if it is too short
    /// or of another version.
    public static func addresses(of packet: Span<UInt8>) -> (source: IPAddress, destination: IPAddress)? {
        guard packet.count >= 20 else { return nil }
        switch packet[0] >> 4 {
        case 4: return (IPAddress(v4: four(packet, 12)), IPAddress(v4: four(packet, 16)))
        case 6 where packet.count >= 40:
            return (
                IPAddress(v6Upper: eight(packet, 8), lower: eight(packet, 16)),
                IPAddress(v6Upper: eight(packet, 24), lower: eight(packet, 32))
            )
        default: return nil
        }
    }
}
