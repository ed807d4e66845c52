/// A packet with a long header that a client sent (RFC 9000 §17.2).
///
///     1 F TT xxxx | uint32 version | uint8 length, DCID 0...20 | uint8 length, SCID 0...20
///     Initial:            varint length, token | varint length | packet number and payload
///     0-RTT, Handshake:                          varint length | packet number and payload
///
/// The fixed bit F is 1, or anything towards a server that says so (RFC 9287); others discard what bears 0. So it tells nothing.
struct QUICLongHeader {
    enum PacketType: Sendable { case initial, zeroRTT, handshake, retry }

    private static let connectionIDBytesMax = 20

    let version: QUICVersion
    let type: PacketType
    let destinationID: Range<Int>
    /// Where the packet begins in the datagram.
    let start: Int
    /// Where the protected packet number is.
    let packetNumberOffset: Int
    /// Where the packet ends and the next one may begin.
    let end: Int

    /// Reads the header at `start`, whose first byte has the highest bit set.
    init(parsing bytes: Span<UInt8>, at start: Int) throws(NameFault) {
        var reader = ByteReader(start..<bytes.count)
        guard let first = reader.uint8(bytes), let number = reader.number(4, bytes) else { throw .malformedQUICPacket }
        if number == 0 { throw .serverQUICPacket }
        guard let version = QUICVersion(rawValue: UInt32(truncatingIfNeeded: number)) else { throw .unknownQUICVersion }
        guard let destinationID = Self.connectionID(&reader, bytes), Self.connectionID(&reader, bytes) != nil else {
            throw .malformedQUICPacket
        }
        let type = version.packetType(first >> 4)
        if type == .retry { throw .serverQUICPacket }
        if type == .initial {
            guard let tokenLength = reader.variableInteger(bytes), tokenLength <= UInt64(reader.remaining),
                reader.take(Int(tokenLength)) != nil
            else {
                throw .malformedQUICPacket
            }
        }
        guard let length = reader.variableInteger(bytes), length <= UInt64(reader.remaining) else { throw .malformedQUICPacket }
        self.version = version
        self.type = type
        self.destinationID = destinationID
        self.start = start
        packetNumberOffset = reader.position
        end = reader.position + Int(length)
    }

    private static func connectionID(_ reader: inout ByteReader, _ bytes: Span<UInt8>) -> Range<Int>? {
        guard let length = reader.uint8(bytes), Int(length) <= connectionIDBytesMax else { return nil }
        return reader.take(Int(length))
    }
}
