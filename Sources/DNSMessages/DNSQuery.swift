import DomainNames

/// A query that the scanner has walked, with its name.
///
/// A plain value of some 300 bytes that holds the name as it was asked: scanning allocates nothing, and every reply can be
/// built from it after the buffer is gone.
public struct DNSQuery: Sendable, BitwiseCopyable {
    /// All but the name.
    public let head: QueryHead
    /// The name asked for, in the client's own case.
    public let name: WireName

    /// Walks a message from a client.
    ///
    /// - Throws: why it is refused; `MessageFault.queryResponseCode` is what to answer.
    public init(scanning message: Span<UInt8>) throws(MessageFault) {
        self.init(try QueryHead(scanning: message), of: message)
    }

    /// The query whose head was scanned in this message.
    public init(_ head: QueryHead, of message: Span<UInt8>) {
        self.head = head
        name = WireName(message, at: MessageScanner.headerLength, lowercased: false)
    }

    public var id: UInt16 { head.id }
    public var isRecursionDesired: Bool { head.isRecursionDesired }
    public var isAuthenticDataRequested: Bool { head.isAuthenticDataRequested }
    public var isCheckingDisabled: Bool { head.isCheckingDisabled }
    public var qtype: RecordType { head.qtype }
    public var edns: EDNS? { head.edns }
    public var isDNSSECOK: Bool { head.isDNSSECOK }
    public var questionEnd: Int { head.questionEnd }

    /// The name asked for, as policy knows it. Allocates; the path of cached answers does not need it.
    public var qname: DomainName { name.domainName }

    public func udpReplySizeMax(configuredMax: Int = DNSReply.udpPayloadSizeDefault) -> Int {
        head.udpReplySizeMax(configuredMax: configuredMax)
    }

    /// What two queries must share to be given the same stored answer.
    public var cacheKey: CacheKey {
        CacheKey(name: name.lowercased, qtype: qtype, isDNSSECOK: isDNSSECOK, isCheckingDisabled: isCheckingDisabled)
    }
}
