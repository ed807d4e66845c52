import DomainNames

/// What a ClientHello tells (RFC 8446 §4.1.2): the host name of its server_name extension (RFC 6066 §3), and whether there is another inside.
///
///     uint16 legacy_version | random[32] | opaque session_id<0..32> | cipher_suites<2..2^16-2> | compression<1..2^8-1>
///     | extensions<0..2^16-1>: (uint16 type | opaque data<0..2^16-1>)*
struct ClientHello {
    private static let serverNameType = 0
    /// encrypted_client_hello (RFC 9849).
    private static let encryptedHelloType = 0xfe0d
    private static let hostNameType: UInt8 = 0

    let name: DomainName
    let hasEncryptedHello: Bool

    /// Reads the body of the message, without its header.
    init(parsing bytes: Span<UInt8>, _ range: Range<Int>) throws(NameFault) {
        var reader = ByteReader(range)
        guard let version = reader.uint16(bytes), version >> 8 == 3, reader.take(32) != nil,
            let sessionLength = reader.uint8(bytes), sessionLength <= 32, reader.take(Int(sessionLength)) != nil,
            let suitesLength = reader.uint16(bytes), suitesLength >= 2, suitesLength % 2 == 0, reader.take(suitesLength) != nil,
            let methodsLength = reader.uint8(bytes), methodsLength >= 1, reader.take(Int(methodsLength)) != nil
        else {
            throw .malformedHello
        }
        guard !reader.isAtEnd else { throw .noServerName }
        guard let length = reader.uint16(bytes), length == reader.remaining else { throw .malformedHello }
        var serverName: Range<Int>?
        var hasEncryptedHello = false
        while !reader.isAtEnd {
            guard let type = reader.uint16(bytes), let length = reader.uint16(bytes), let data = reader.take(length) else {
                throw .malformedHello
            }
            switch type {
            case Self.serverNameType:
                guard serverName == nil else { throw .duplicateServerName }
                serverName = data
            case Self.encryptedHelloType: hasEncryptedHello = true
            default: continue
            }
        }
        guard let serverName else { throw .noServerName }
        name = try Self.hostName(bytes, serverName)
        self.hasEncryptedHello = hasEncryptedHello
    }

    /// `struct { NameType name_type; opaque HostName<1..2^16-1> } ServerNameList<1..2^16-1>`. Other types than host_name were never
    /// assigned, and what a receiver does with one is not defined: they are malformed.
    private static func hostName(_ bytes: Span<UInt8>, _ range: Range<Int>) throws(NameFault) -> DomainName {
        var reader = ByteReader(range)
        guard let listLength = reader.uint16(bytes), listLength == reader.remaining else { throw .malformedHello }
        guard listLength > 0 else { throw .noServerName }
        var found: Range<Int>?
        while !reader.isAtEnd {
            guard let type = reader.uint8(bytes), type == hostNameType, let length = reader.uint16(bytes), let text = reader.take(length)
            else {
                throw .malformedHello
            }
            guard found == nil else { throw .duplicateServerName }
            found = text
        }
        guard let found else { throw .noServerName }
        return try HostText.read(bytes, found)
    }
}
