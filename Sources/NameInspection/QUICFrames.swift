/// The frames of an Initial packet (RFC 9000 §12.4, §19): PADDING, PING, ACK, CRYPTO and CONNECTION_CLOSE. Others cannot be in one.
enum QUICFrames {
    private static let padding: UInt64 = 0x00
    private static let ping: UInt64 = 0x01
    private static let ack: UInt64 = 0x02
    private static let ackECN: UInt64 = 0x03
    private static let crypto: UInt64 = 0x06
    private static let connectionClose: UInt64 = 0x1c
    /// More than can be in a datagram that was sent.
    private static let offsetMax: UInt64 = 1 << 32

    /// Puts the data of CRYPTO frames into `stream`; what lies beyond its capacity is `tooLarge`.
    static func read(_ payload: Span<UInt8>, into stream: inout ByteStream) throws(NameFault) {
        // A packet holds at least one frame.
        guard payload.count > 0 else { throw .malformedQUICFrame }
        var reader = ByteReader(0..<payload.count)
        while !reader.isAtEnd {
            guard let type = reader.variableInteger(payload) else { throw .malformedQUICFrame }
            switch type {
            case padding, ping: continue
            case ack, ackECN:
                guard skipACK(&reader, payload, counts: type == ackECN) else { throw .malformedQUICFrame }
            case crypto:
                guard let offset = reader.variableInteger(payload), let length = reader.variableInteger(payload), offset < offsetMax,
                    length <= UInt64(reader.remaining), let data = reader.take(Int(length))
                else {
                    throw .malformedQUICFrame
                }
                // A second hello that could not be read to its end would pass behind the name of the first.
                guard Int(offset) + Int(length) <= stream.capacity else { throw .tooLarge }
                _ = try stream.insert(payload.extracting(data), at: Int(offset))
            case connectionClose:
                guard reader.variableInteger(payload) != nil, reader.variableInteger(payload) != nil,
                    let length = reader.variableInteger(payload), length <= UInt64(reader.remaining), reader.take(Int(length)) != nil
                else {
                    throw .malformedQUICFrame
                }
            default: throw .malformedQUICFrame
            }
        }
    }

    /// Largest acknowledged, delay, count of ranges, first range, then gap and length of each, then three counts of ECN.
    private static func skipACK(_ reader: inout ByteReader, _ payload: Span<UInt8>, counts: Bool) -> Bool {
        guard reader.variableInteger(payload) != nil, reader.variableInteger(payload) != nil,
            let ranges = reader.variableInteger(payload), ranges <= UInt64(reader.remaining)
        else {
            return false
        }
        for _ in 0..<(1 + 2 * Int(ranges) + (counts ? 3 : 0)) {
            guard reader.variableInteger(payload) != nil else { return false }
        }
        return true
    }
}
