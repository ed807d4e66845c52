/// One label of a text as it is read: bytes and escapes, or letters outside ASCII, but not both.
struct PresentationLabel {
    private let start: Int
    private var bytes: [UInt8] = []
    private var international: String.UnicodeScalarView?
    private var hasEscape = false

    /// `start` is its offset in the text.
    init(start: Int) { self.start = start }

    mutating func append(escaped byte: UInt8, at offset: Int) throws(DomainNameError) {
        guard international == nil else { throw DomainNameError(.notASCII, offset: start) }
        hasEscape = true
        try append(byte, offset)
    }

    mutating func append(_ scalar: Unicode.Scalar, at offset: Int) throws(DomainNameError) {
        if international == nil, scalar.isASCII { return try append(UInt8(scalar.value), offset) }
        guard !hasEscape else { throw DomainNameError(.notASCII, offset: offset) }
        var scalars = international ?? String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) })
        international = nil
        scalars.append(scalar)
        guard scalars.count <= DomainName.labelBytesMax else { throw DomainNameError(.labelTooLong, offset: offset) }
        international = scalars
    }

    private mutating func append(_ byte: UInt8, _ offset: Int) throws(DomainNameError) {
        bytes.append(byte)
        guard bytes.count <= DomainName.labelBytesMax else { throw DomainNameError(.labelTooLong, offset: offset) }
    }

    func bytes(endingAt end: Int) throws(DomainNameError) -> [UInt8] {
        guard let international else {
            guard !bytes.isEmpty else { throw DomainNameError(.emptyLabel, offset: end) }
            return bytes
        }
        let label: [UInt8]
        do throws(InternationalLabel.Failure) {
            label = try InternationalLabel.aLabel(of: String(international))
        } catch {
            throw DomainNameError(error == .tooLong ? .labelTooLong : .notInternational, offset: start)
        }
        return label
    }
}
