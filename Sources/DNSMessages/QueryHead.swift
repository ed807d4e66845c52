/// What the scanner found in a client's query besides the name, which stays where it is in the message: at offset 12, never compressed.
///
/// An ordinary question of class IN, with at most an OPT record and what else may come along. A few bytes, so that an answer out of the
/// cache copies no names; ``DNSQuery`` holds the name as well.
public struct QueryHead: Sendable, BitwiseCopyable {
    public let id: UInt16
    /// RD: recursion is wanted.
    public let isRecursionDesired: Bool
    /// AD: the client understands AD in the answer (RFC 6840 §5.7).
    public let isAuthenticDataRequested: Bool
    /// CD: the client checks signatures itself.
    public let isCheckingDisabled: Bool
    public private(set) var qtype: RecordType
    /// Where the question ends in any message about it: header, name, QTYPE, QCLASS.
    public private(set) var questionEnd: Int
    /// The OPT record, if there was one. `version` may be other than 0: then `badVersion` is the answer.
    public let edns: EDNS?

    /// Walks a message from a client.
    ///
    /// - Throws: why it is refused; `MessageFault.queryResponseCode` is what to answer.
    public init(scanning message: Span<UInt8>) throws(MessageFault) {
        var scanner = MessageScanner()
        try scanner.checkHeader(message, isResponse: false)
        let question = try scanner.scanQuestion(message)
        var offset = question.end
        for _ in 0..<message.read16(at: 10) { _ = try scanner.scanRecord(message, at: &offset, isAdditional: true) }
        guard offset == message.count else { throw .trailingBytes }
        id = message.read16(at: 0)
        isRecursionDesired = message[2] & 0x01 != 0
        isAuthenticDataRequested = message[3] & 0x20 != 0
        isCheckingDisabled = message[3] & 0x10 != 0
        qtype = question.type
        questionEnd = question.end
        edns = scanner.edns
    }

    /// DO: the client wants DNSSEC records.
    public var isDNSSECOK: Bool { edns?.isDNSSECOK ?? false }

    /// Where the name is in the message that was scanned.
    public var nameRange: Range<Int> { MessageScanner.headerLength..<questionEnd - 4 }

    /// The same query about another type, and about another name: one of `nameCount` bytes at the same place of a message of its own.
    public func asking(for qtype: RecordType, nameCount: Int) -> QueryHead {
        var other = self
        other.qtype = qtype
        other.questionEnd = MessageScanner.headerLength + nameCount + 4
        return other
    }

    /// What a reply by UDP may have in bytes: 512 without EDNS (RFC 1035 §4.2.1), else what the client takes, but never
    /// above `configuredMax`.
    public func udpReplySizeMax(configuredMax: Int = DNSReply.udpPayloadSizeDefault) -> Int {
        guard let edns else { return 512 }
        return min(max(512, Int(edns.udpPayloadSize)), max(512, configuredMax))
    }
}
