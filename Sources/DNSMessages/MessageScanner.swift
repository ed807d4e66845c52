/// Walks a DNS message strictly before anything else looks at it, libldns included.
///
/// It checks structure only: every name, every RDLENGTH, every count, no byte left over. Who may say what
/// (the chain from the question) is `AliasChain`'s. The message is passed to each call, so that the scanner
/// itself holds nothing but a few integers and, of a response, a map of 2 KB: bounded work.
///
/// In a response a pointer must point at a label, or a pointer, of a name that was walked: what lies between names is not constant, as TTLs
/// count down in the cache.
///
/// Not checked: the Z bit and the flags that have no meaning in a query.
struct MessageScanner {
    /// A header is 12 bytes; the first name of a message begins right after it.
    static let headerLength = 12
    static let pointersPerNameMax = 64
    /// 4,096 addresses and what comes with them; 65,535 bytes hold no more than 4,369 A records.
    static let recordsMax = 4_608
    /// Labels, pointers and compared bytes, over the whole message: about a quarter of a millisecond.
    static let workMax = 131_072

    /// Where labels and pointers begin: a bit for each byte that a pointer reaches; empty of a query, whose name is the only one.
    private var nameStarts: [UInt64] = []
    private(set) var workLeft = workMax
    /// The target of the last name that was nothing but a pointer: most owners are, and mean the same name.
    private var knownTarget = headerLength
    /// The OPT record, once it was met.
    private(set) var edns: EDNS?
    private(set) var optOffset: Int?
    /// Whether all records are of types that libldns parses in bounded time and memory.
    private(set) var suitsWholeParse = true

    /// Whether there is an HTTPS or SVCB record.
    private(set) var hasServiceBindings = false
    /// Where the pointers are that end names in place, ascending; kept only if asked for.
    private(set) var pointers: [UInt16] = []
    private let notesPointers: Bool

    init(ofResponse: Bool = false, notesPointers: Bool = false) {
        self.notesPointers = notesPointers
        if ofResponse { nameStarts = Array(repeating: 0, count: 256) }
    }

    private mutating func noteNameStart(_ offset: Int) {
        if offset >> 6 < nameStarts.count { nameStarts[offset >> 6] |= 1 << UInt64(offset & 63) }
    }

    private func isNameStart(_ offset: Int) -> Bool {
        offset >> 6 >= nameStarts.count || nameStarts[offset >> 6] >> UInt64(offset & 63) & 1 == 1
    }

    /// Takes `amount` off the work that one message may cost.
    mutating func spend(_ amount: Int) throws(MessageFault) {
        workLeft -= amount
        guard workLeft >= 0 else { throw .tooMuchWork }
    }

    /// Notes a record that libldns is not shown: of a type that teaches nothing and may be large or rare.
    mutating func noteLargeOrRare() { suitsWholeParse = false }

    mutating func noteServiceBinding() { hasServiceBindings = true }

    private mutating func notePointer(_ offset: Int) { if notesPointers { pointers.append(UInt16(truncatingIfNeeded: offset)) } }

    /// Checks length, QR, OPCODE and the counts.
    func checkHeader(_ message: Span<UInt8>, isResponse: Bool) throws(MessageFault) {
        guard message.count >= Self.headerLength else { throw .shortHeader }
        guard message.count <= 65_535 else { throw .oversizedMessage }
        guard (message[2] & 0x80 != 0) == isResponse else { throw isResponse ? .notAResponse : .notAQuery }
        guard message[2] & 0x78 == 0 else { throw .opcodeNotQuery }
        guard message.read16(at: 4) == 1 else { throw .questionCount }
        let answers = Int(message.read16(at: 6))
        let authorities = Int(message.read16(at: 8))
        let additionals = Int(message.read16(at: 10))
        guard answers + authorities + additionals <= Self.recordsMax else { throw .tooManyRecords }
        guard isResponse || answers + authorities == 0 else { throw .recordsInQuery }
    }

    /// Walks the question; gives its type and the offset behind it. Its name is at 12 and, as nothing is before it, never compressed.
    mutating func scanQuestion(_ message: Span<UInt8>) throws(MessageFault) -> (type: RecordType, end: Int) {
        guard message.count > Self.headerLength else { throw .truncatedQuestion }
        let nameEnd = try skipName(message, at: Self.headerLength, limit: message.count)
        guard nameEnd + 4 <= message.count else { throw .truncatedQuestion }
        guard message.read16(at: nameEnd + 2) == 1 else { throw .questionClass }
        let type = RecordType(rawValue: message.read16(at: nameEnd))
        switch type.rawValue {
        case 0, 41, 249, 250: throw .questionType
        case 251...254: throw .questionTypeNotSupported
        default: return (type, nameEnd + 4)
        }
    }

    /// Walks the record at `offset` and leaves `offset` behind it.
    mutating func scanRecord(_ message: Span<UInt8>, at offset: inout Int, isAdditional: Bool) throws(MessageFault) -> ScannedRecord {
        guard offset < message.count else { throw .missingRecords }
        let owner = offset
        let nameEnd = try skipName(message, at: owner, limit: message.count)
        guard nameEnd + 10 <= message.count else { throw .truncatedRecord }
        let type = RecordType(rawValue: message.read16(at: nameEnd))
        let recordClass = message.read16(at: nameEnd + 2)
        let rawTimeToLive = message.read32(at: nameEnd + 4)
        let length = message.read16(at: nameEnd + 8)
        let data = nameEnd + 10
        let end = data + Int(length)
        guard end <= message.count else { throw .recordDataOverrun }
        guard type != .tsig else { throw .transactionSignature }
        guard !type.isMeta else { throw .recordMetaType }
        if type == .opt {
            guard isAdditional else { throw .optSection }
            guard nameEnd == owner + 1 else { throw .optOwner }
            guard edns == nil else { throw .optRepeated }
            try walkOptions(message, from: data, to: end)
            edns = EDNS(udpPayloadSize: recordClass, timeToLive: rawTimeToLive)
            optOffset = owner
        } else {
            guard recordClass == 1 else { throw .recordClass }
            try walkData(message, of: type, from: data, to: end)
        }
        offset = end
        return ScannedRecord(
            owner: UInt16(truncatingIfNeeded: owner), type: type, timeToLive: rawTimeToLive >> 31 == 0 ? rawTimeToLive : 0,
            data: UInt16(truncatingIfNeeded: data), dataLength: length)
    }

    /// Walks the name at `start` and gives the offset behind its part in place, which ends at `limit` at the latest (RFC 1035 §4.1.4).
    ///
    /// A pointer must point before the run of labels that it ends, and the labels it points at must end before that run begins:
    /// each jump goes strictly backward and no byte is part of a name twice.
    mutating func skipName(
        _ message: Span<UInt8>, at start: Int, limit: Int, mayCompress: Bool = true
    ) throws(MessageFault) -> Int {
        try spend(1)
        if mayCompress, start + 2 <= limit, message[start] >> 6 == 3 {
            let target = Int(message.read16(at: start) & 0x3fff)
            if target == knownTarget || target == Self.headerLength, start > target {
                noteNameStart(start)
                notePointer(start)
                return start + 2
            }
        }
        var offset = start
        var runStart = start
        var runLimit = limit
        var end: Int?
        var length = 1
        var pointers = 0
        while true {
            guard offset < runLimit else { throw end == nil ? .truncatedName : .pointerNotBackward }
            try spend(1)
            let byte = message[offset]
            if end == nil { noteNameStart(offset) }
            switch byte >> 6 {
            case 0:
                if byte == 0 {
                    if pointers > 0, message[start] >> 6 == 3 { knownTarget = Int(message.read16(at: start) & 0x3fff) }
                    return end ?? offset + 1
                }
                length += 1 + Int(byte)
                guard length <= 255 else { throw .nameTooLong }
                offset += 1 + Int(byte)
            case 3:
                guard mayCompress else { throw .compressionNotAllowed }
                guard offset + 2 <= runLimit else { throw end == nil ? .truncatedName : .pointerNotBackward }
                let target = Int(message.read16(at: offset) & 0x3fff)
                guard target >= Self.headerLength else { throw .pointerIntoHeader }
                guard target < runStart else { throw .pointerNotBackward }
                guard isNameStart(target) else { throw .pointerIntoData }
                pointers += 1
                guard pointers <= Self.pointersPerNameMax else { throw .pointerLimit }
                if end == nil {
                    end = offset + 2
                    notePointer(offset)
                }
                runLimit = runStart
                runStart = target
                offset = target
            default:
                throw .labelType
            }
        }
    }

    /// Whether the walked name at `offset` is `name`, which is in lower case. Costs work for every byte that agrees.
    mutating func isName(_ message: Span<UInt8>, at offset: Int, equalTo name: WireName) throws(MessageFault) -> Bool {
        try spend(1)
        var offset = offset
        var position = 0
        defer { workLeft -= position }
        while true {
            let byte = message[offset]
            if byte >> 6 == 3 {
                try spend(1)
                offset = Int(message.read16(at: offset) & 0x3fff)
                continue
            }
            for index in 0...Int(byte) {
                guard position < name.count, message[offset + index].lowercasedASCII == name[position] else { return false }
                position += 1
            }
            if byte == 0 { return position == name.count }
            offset += 1 + Int(byte)
        }
    }

    /// Options: code, length, data, until the end exactly (RFC 6891 §6.1.2).
    private func walkOptions(_ message: Span<UInt8>, from start: Int, to end: Int) throws(MessageFault) {
        var offset = start
        while offset < end {
            guard offset + 4 <= end else { throw .optOptions }
            offset += 4 + Int(message.read16(at: offset + 2))
        }
        guard offset == end else { throw .optOptions }
    }
}
