/// Reads the server's name out of the beginning of a TLS connection.
///
///     record:    uint8 type = 22 | uint16 legacy_version = 03xx | uint16 length 1...2^14 | fragment      (RFC 8446 §5.1)
///     handshake: uint8 type = 1  | uint24 length | ClientHello                                           (RFC 8446 §4)
///
/// The message may stretch over many records and segments.
public enum ClientHelloReader {
    static let handshakeRecord: UInt8 = 22
    private static let clientHelloType: UInt8 = 1
    private static let recordHeaderBytes = 5
    private static let fragmentBytesMax = 1 << 14
    static let messageHeaderBytes = 4

    /// `bytes` are the first ones of the stream, without a gap. A hello that cannot fit into `bytesMax` is `tooLarge`.
    public static func read(_ bytes: Span<UInt8>, bytesMax: Int = NameCheckLimits().bytesPerFlow) -> NameReading {
        do throws(NameFault) {
            guard let hello = try hello(bytes, bytesMax) else { return .needsMore }
            return .name(SeenName(hello.name, from: .tls, isOuter: hello.hasEncryptedHello))
        } catch {
            return .fault(error)
        }
    }

    private static func hello(_ bytes: Span<UInt8>, _ bytesMax: Int) throws(NameFault) -> ClientHello? {
        var message: [UInt8] = []
        var position = 0
        while true {
            guard let fragment = try fragment(bytes, at: position) else { return nil }
            let end = min(fragment.upperBound, bytes.count)
            for place in fragment.lowerBound..<end { message.append(bytes[place]) }
            if let length = try messageLength(message.span, bytesMax) {
                // The record that ends the hello holds nothing else.
                guard message.count + fragment.upperBound - end <= length else { throw .malformedHello }
                if message.count == length { return try ClientHello(parsing: message.span, messageHeaderBytes..<length) }
            }
            guard end == fragment.upperBound else { return nil }
            position = end
        }
    }

    /// Where the fragment of the record at `position` lies, as its header says; nil while there is not enough of it.
    private static func fragment(_ bytes: Span<UInt8>, at position: Int) throws(NameFault) -> Range<Int>? {
        guard position < bytes.count else { return nil }
        guard bytes[position] == handshakeRecord else {
            throw position == 0 ? notTLS(bytes[0]) : .malformedRecord
        }
        guard position + 1 < bytes.count else { return nil }
        guard bytes[position + 1] == 3 else { throw .malformedRecord }
        guard position + recordHeaderBytes <= bytes.count else { return nil }
        let length = Int(bytes[position + 3]) << 8 | Int(bytes[position + 4])
        guard length > 0, length <= fragmentBytesMax else { throw .malformedRecord }
        return (position + recordHeaderBytes)..<(position + recordHeaderBytes + length)
    }

    private static func notTLS(_ first: UInt8) -> NameFault {
        // A two-byte record header of SSL 2 has its highest bit set.
        first & 0x80 != 0 ? .sslVersion2 : .unknownProtocol
    }

    /// Bytes of the ClientHello at the start, its header included; nil while the header is not complete. Bytes that may follow are not
    /// looked at.
    static func messageLength(_ bytes: Span<UInt8>, _ bytesMax: Int) throws(NameFault) -> Int? {
        guard bytes.count >= 1 else { return nil }
        guard bytes[0] == clientHelloType else { throw .notClientHello }
        guard bytes.count >= messageHeaderBytes else { return nil }
        let length = messageHeaderBytes + (Int(bytes[1]) << 16 | Int(bytes[2]) << 8 | Int(bytes[3]))
        guard length <= bytesMax else { throw .tooLarge }
        return length
    }
}
