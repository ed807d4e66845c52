import NetworkTypes

/// One connection of a flow, as far as its Initial packets show it.
public struct QUICConnection: Sendable {
    /// The destination connection ID of its first Initial packet, from which its keys come. Later ones bear the server's choice.
    let originalID: [UInt8]
    private let bytesMax: Int
    /// The version may change once, to one that the server prefers (RFC 9368); the connection ID of the keys stays.
    private var keys: [QUICVersion: QUICInitialKeys] = [:]
    private var largestNumber: UInt64?
    /// When its last packet came.
    var lastSeen = Instant(nanoseconds: 0)
    private var stream: ByteStream
    /// Bytes of whole messages that were read.
    private var consumed = 0
    /// Nil until its first ClientHello is complete.
    public private(set) var name: SeenName?

    public init(originalID: [UInt8], limits: NameCheckLimits = NameCheckLimits()) {
        self.originalID = originalID
        bytesMax = limits.bytesPerFlow
        stream = ByteStream(capacity: limits.bytesPerFlow, piecesMax: limits.piecesPerFlow)
    }

    var byteCount: Int { stream.byteCount }

    /// Opens one Initial packet; nil if it is not of this connection.
    mutating func open(_ header: QUICLongHeader, of datagram: Span<UInt8>) -> QUICInitialKeys.Opened? {
        let keys = self.keys[header.version] ?? QUICInitialKeys(version: header.version, destinationID: originalID)
        self.keys[header.version] = keys
        return keys.open(header, of: datagram, expecting: largestNumber.map { $0 + 1 } ?? 0)
    }

    /// Takes one Initial packet that was opened with its keys.
    mutating func take(_ packet: QUICInitialKeys.Opened) throws(NameFault) {
        largestNumber = max(largestNumber ?? 0, packet.packetNumber)
        try take(frames: packet.payload.span)
    }

    /// Takes the frames of one Initial packet that was opened.
    public mutating func take(frames: Span<UInt8>) throws(NameFault) {
        try QUICFrames.read(frames, into: &stream)
        try readMessages()
    }

    /// Reads what is complete. A client sends nothing but ClientHellos in Initial packets: a second one after a HelloRetryRequest, which
    /// has the same name (RFC 8446 §4.1.2).
    private mutating func readMessages() throws(NameFault) {
        let storage = stream.storage
        while true {
            let bytes = storage.span.extracting(consumed..<max(consumed, stream.contiguousCount))
            guard let length = try ClientHelloReader.messageLength(bytes, bytesMax) else { break }
            guard bytes.count >= length else { break }
            let hello = try ClientHello(parsing: bytes, ClientHelloReader.messageHeaderBytes..<length)
            let seen = SeenName(hello.name, from: .quic, isOuter: hello.hasEncryptedHello)
            if let name, name.name != seen.name { throw .nameChanged }
            name = seen
            consumed += length
        }
        if name == nil, stream.isFull { throw .tooLarge }
    }
}
