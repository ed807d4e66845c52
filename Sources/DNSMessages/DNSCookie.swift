/// A COOKIE option (RFC 7873 §4): the 8 bytes that a client chose, and the 8 to 32 that the server made of them, once it has.
///
/// ```
/// | 0 10 | length | client cookie, 8 bytes | server cookie, 0 or 8...32 bytes |
/// ```
public struct DNSCookie: Sendable, BitwiseCopyable {
    static let optionCode: UInt16 = 10

    public let client: UInt64
    private var server = InlineArray<32, UInt8>(repeating: 0)
    private var serverCount = 0

    public init(client: UInt64) { self.client = client }

    /// The cookie of a reply that was walked, with the server's part; nil if there is none, or it has not the length of a reply's, 16 to 40 bytes.
    ///
    /// - Parameter optOffset: `DNSResponse.optOffset`.
    public init?(in message: Span<UInt8>, optOffset: Int?) {
        guard let optOffset else { return nil }
        let end = optOffset + 11 + Int(message.read16(at: optOffset + 9))
        var offset = optOffset + 11
        while offset + 4 <= end {
            let length = Int(message.read16(at: offset + 2))
            if message.read16(at: offset) == Self.optionCode {
                guard length >= 16, length <= 40 else { return nil }
                client = UInt64(message.read32(at: offset + 4)) << 32 | UInt64(message.read32(at: offset + 8))
                serverCount = length - 8
                for index in 0..<serverCount { server[index] = message[offset + 12 + index] }
                return
            }
            offset += 4 + length
        }
        return nil
    }

    public var hasServerPart: Bool { serverCount > 0 }

    /// Of the whole option, 12...44 bytes.
    var optionLength: Int { 12 + serverCount }

    func write(into buffer: inout MutableSpan<UInt8>, at offset: Int) {
        buffer.write16(Self.optionCode, at: offset)
        buffer.write16(UInt16(8 + serverCount), at: offset + 2)
        buffer.write32(UInt32(truncatingIfNeeded: client >> 32), at: offset + 4)
        buffer.write32(UInt32(truncatingIfNeeded: client), at: offset + 8)
        for index in 0..<serverCount { buffer[offset + 12 + index] = server[index] }
    }
}
