/// The scanner's own reading of a response, before libldns is asked.
struct ScannedResponse {
    private(set) var scanner = MessageScanner(ofResponse: true)
    let rcode: ResponseCode
    let qtype: RecordType
    let questionEnd: Int
    let bodyEnd: Int
    let answers: [ScannedRecord]
    let ttlOffsets: [UInt16]
    let chain: AliasChain
    let findings: ChainFindings
    let isNegative: Bool
    let negativeTTL: UInt32?

    init(_ message: Span<UInt8>) throws(MessageFault) {
        try scanner.checkHeader(message, isResponse: true)
        let question = try scanner.scanQuestion(message)
        qtype = question.type
        questionEnd = question.end
        let answerCount = Int(message.read16(at: 6))
        let authorityCount = Int(message.read16(at: 8))
        // Counts are the sender's claim: reserve what the bytes can hold, 11 per record at least.
        let capacity = (message.count - question.end) / 11
        var answers: [ScannedRecord] = []
        answers.reserveCapacity(min(answerCount, capacity))
        var ttlOffsets: [UInt16] = []
        ttlOffsets.reserveCapacity(min(answerCount + authorityCount, capacity))
        var startOfAuthority: ScannedRecord?
        var offset = question.end
        for _ in 0..<answerCount {
            let record = try scanner.scanRecord(message, at: &offset, isAdditional: false)
            answers.append(record)
            ttlOffsets.append(record.timeToLiveOffset)
        }
        for _ in 0..<authorityCount {
            let record = try scanner.scanRecord(message, at: &offset, isAdditional: false)
            ttlOffsets.append(record.timeToLiveOffset)
            if record.type == .soa, startOfAuthority == nil { startOfAuthority = record }
        }
        bodyEnd = offset
        for _ in 0..<message.read16(at: 10) { _ = try scanner.scanRecord(message, at: &offset, isAdditional: true) }
        guard offset == message.count else { throw .trailingBytes }
        rcode = ResponseCode(rawValue: UInt16(message[3] & 0x0f) | UInt16(scanner.edns?.extendedResponseCode ?? 0) << 4)

        let questionName = WireName(message, at: MessageScanner.headerLength, lowercased: true)
        let chain = try AliasChain(from: questionName, through: answers, in: message)
        findings = try ChainFindings(qtype: qtype, chain: chain, answers: answers, message: message, scanner: &scanner)
        guard findings.addresses.isEmpty || rcode == .noError else { throw .addressInError }
        isNegative = rcode == .nameError || (rcode == .noError && !findings.hasAnswer)
        negativeTTL = isNegative ? Self.negativeTTL(startOfAuthority, chainEnd: chain.end, message) : nil
        self.answers = answers
        self.ttlOffsets = ttlOffsets
        self.chain = chain
    }

    /// The lesser of TTL and MINIMUM of an SOA record at or above the end of the chain (RFC 2308 §3, §5).
    private static func negativeTTL(_ record: ScannedRecord?, chainEnd: WireName, _ message: Span<UInt8>) -> UInt32? {
        guard let record else { return nil }
        let zone = WireName(message, at: Int(record.owner), lowercased: true)
        guard chainEnd.prefixLength(below: zone) != nil else { return nil }
        let minimum = message.read32(at: record.end - 4)
        return min(record.timeToLive, minimum >> 31 == 0 ? minimum : 0)
    }
}
