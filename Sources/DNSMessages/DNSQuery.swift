import DomainNames

/// A query that the scanner has walked: an ordinary question of class IN, with at most an OPT record and what else may come along.
///
/// A plain value of some 300 bytes that holds the name as it was asked: scanning allocates nothing, and every reply can be
/// built from it after the buffer is gone.
public struct DNSQuery: Sendable, BitwiseCopyable {
    public let id: UInt16
    /// RD: recursion is wanted.
    public let isRecursionDesired: Bool
    /// AD: the client understands AD in the answer (RFC 6840 §5.7).
    public let isAuthenticDataRequested: Bool
    /// CD: the client checks signatures itself.
    public let isCheckingDisabled: Bool
    /// The name asked for, in the client's own case.
    public let name: WireName
    public let qtype: RecordType
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
        name = WireName(message, at: MessageScanner.headerLength, lowercased: false)
        qtype = question.type
        edns = scanner.edns
    }

    /// The name asked for, as policy knows it. Allocates; the path of cached answers does not need it.
    public var qname: DomainName { name.domainName }

    /// DO: the client wants DNSSEC records.
    public var isDNSSECOK: Bool { edns?.isDNSSECOK ?? false }

    /// Where the question ends in any message about it: header, name, QTYPE, QCLASS.
    public var questionEnd: Int { MessageScanner.headerLength + name.count + 4 }

    /// What a reply by UDP may have in bytes: 512 without EDNS (RFC 1035 §4.2.1), else what the client takes, but never
    /// above `configuredMax`.
    public func udpReplySizeMax(configuredMax: Int = DNSReply.udpPayloadSizeDefault) -> Int {
        guard let edns else { return 512 }
        return min(max(512, Int(edns.udpPayloadSize)), max(512, configuredMax))
    }

    /// What two queries must share to be given the same stored answer.
    public var cacheKey: CacheKey {
        CacheKey(name: name.lowercased, qtype: qtype, isDNSSECOK: isDNSSECOK, isCheckingDisabled: isCheckingDisabled)
    }
}
