/// The first bytes of one direction of a TCP connection, from segments in any order.
///
/// Offsets are counted from the sequence number of the SYN, modulo 2^32 (RFC 9293 §3.4). Bytes that lie before the start, such as the
/// one of a keepalive, are not part of the stream.
public struct SegmentBuffer: Sendable {
    static let synFlag: UInt8 = 0x02
    static let urgentFlag: UInt8 = 0x20

    /// Sequence number of the first byte of data.
    public let start: UInt32
    private var stream: ByteStream
    private let segmentsMax: Int
    private let bytesMax: Int
    private var segmentCount = 0

    /// `synSequence` is the sequence number of the connection's SYN.
    public init(synSequence: UInt32, limits: NameCheckLimits = NameCheckLimits()) {
        start = synSequence &+ 1
        stream = ByteStream(capacity: limits.bytesPerFlow, piecesMax: limits.piecesPerFlow)
        bytesMax = limits.bytesPerFlow
        segmentsMax = limits.segmentsPerFlow
    }

    public var contiguousCount: Int { stream.contiguousCount }
    public var byteCount: Int { stream.byteCount }
    public var isFull: Bool { stream.isFull }

    /// The bytes from the start without a gap.
    public var contiguousBytes: [UInt8] { Array(stream.storage[..<contiguousCount]) }

    /// What they tell. The first byte says which protocol it is, whatever the port: what begins one cannot be read as another.
    public var reading: NameReading {
        let bytes = stream.storage.span.extracting(first: contiguousCount)
        guard bytes.count > 0 else { return .needsMore }
        let reading = HTTPHostReader.isMethodByte(bytes[0]) ? HTTPHostReader.read(bytes) : ClientHelloReader.read(bytes, bytesMax: bytesMax)
        return reading == .needsMore && isFull ? .fault(.tooLarge) : reading
    }

    /// Takes one segment's payload. `sequence` is the number in its header: data of a SYN (TCP Fast Open, RFC 7413) begins one after it.
    /// Returns whether it brought anything that was not seen before.
    public mutating func insert(sequence: UInt32, flags: UInt8 = 0, _ payload: Span<UInt8>) throws(NameFault) -> Bool {
        guard payload.count > 0 else { return false }
        guard flags & Self.urgentFlag == 0 else { throw .urgentData }
        guard segmentCount < segmentsMax else { throw .tooManyPieces }
        segmentCount += 1
        let first = flags & Self.synFlag == 0 ? sequence : sequence &+ 1
        let offset = Int(Int32(bitPattern: first &- start))
        return try stream.insert(payload, from: min(payload.count, max(0, -offset)), at: max(0, offset))
    }
}
