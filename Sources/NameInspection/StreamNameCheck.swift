/// Reads the name out of the first segments of one TCP connection: TLS or HTTP/1.x.
///
/// HTTP: the first request decides. Later requests of the same connection are not looked at.
public struct StreamNameCheck: Sendable {
    private var buffer: SegmentBuffer
    private var result: NameReading?

    /// `synSequence` is the sequence number of the connection's SYN.
    public init(synSequence: UInt32, limits: NameCheckLimits = NameCheckLimits()) {
        buffer = SegmentBuffer(synSequence: synSequence, limits: limits)
    }

    /// Sequence number of the first byte of data.
    public var start: UInt32 { buffer.start }
    public var byteCount: Int { buffer.byteCount }

    /// Takes one segment: sequence number and flags of its header, and its payload. `isNew` is false for a segment that brings nothing.
    public mutating func handle(sequence: UInt32, flags: UInt8 = 0, _ payload: Span<UInt8>) -> (reading: NameReading, isNew: Bool) {
        if let result { return (result, false) }
        var isNew = true
        let reading: NameReading
        do throws(NameFault) {
            isNew = try buffer.insert(sequence: sequence, flags: flags, payload)
            reading = isNew ? buffer.reading : .needsMore
        } catch {
            reading = .fault(error)
        }
        if reading != .needsMore { result = reading }
        return (reading, isNew)
    }
}
