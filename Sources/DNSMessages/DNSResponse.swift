import DomainNames
import NetworkTypes

/// A response that the scanner has walked, whose answers hang on the chain from its question, and about whose addresses libldns agrees.
///
/// What it leaves out: the additional section. Its records neither teach nor are handed on (`bodyEnd`), so that the client
/// receives exactly what was learned; a forwarder may always answer minimally.
public struct DNSResponse: Sendable {
    public let id: UInt16
    public let rcode: ResponseCode
    /// TC: to be asked again over TCP; never cached.
    public let isTruncated: Bool
    /// AA.
    public let isAuthoritative: Bool
    /// AD.
    public let isAuthenticData: Bool
    /// CD.
    public let isCheckingDisabled: Bool
    /// The name in the question.
    public let qname: DomainName
    public let qtype: RecordType
    /// Links of the CNAME chain, 0...16.
    public let chainLength: Int
    /// Addresses at the end of the chain, in the message's order: A for a question of type A, AAAA for AAAA, hints for HTTPS
    /// and SVCB, all for ANY.
    public let addresses: [IPAddress]
    /// The smallest TTL in seconds over the answer section: chain, addresses, signatures. Nil if it is empty.
    public let minimumTTL: UInt32?
    /// NXDOMAIN, or no record of the type asked for.
    public let isNegative: Bool
    /// For NXDOMAIN and NODATA, how long that holds: the lesser of the SOA record's TTL and its MINIMUM (RFC 2308 §5). Nil
    /// without a fitting SOA record.
    public let negativeTTL: UInt32?
    /// Where the TTL fields of answer and authority section are, ascending.
    public let ttlOffsets: [UInt16]
    /// The end of the question.
    public let questionEnd: Int
    /// The end of the authority section: the first this many bytes are what is stored and handed on.
    public let bodyEnd: Int
    /// Where the OPT record begins, if there is one.
    public let optOffset: Int?
    /// Whether there are HTTPS or SVCB records, in any section.
    public let hasServiceBindings: Bool

    /// Walks a message from an upstream server. That it answers the question that was asked is for `UpstreamQuery.matches` to say.
    ///
    /// - Throws: why it is refused. Work is bounded by `MessageScanner.workMax`; at most 65,535 bytes are taken.
    public init(parsing message: Span<UInt8>) throws(MessageFault) {
        let scanned = try ScannedResponse(message)
        if !scanned.findings.addresses.isEmpty || scanned.scanner.suitsWholeParse {
            try LDNSParser.check(message, against: scanned)
        }
        id = message.read16(at: 0)
        rcode = scanned.rcode
        isAuthoritative = message[2] & 0x04 != 0
        isTruncated = message[2] & 0x02 != 0
        isAuthenticData = message[3] & 0x20 != 0
        isCheckingDisabled = message[3] & 0x10 != 0
        qname = WireName(message, at: MessageScanner.headerLength, lowercased: true).domainName
        qtype = scanned.qtype
        chainLength = scanned.chain.length
        addresses = scanned.findings.addresses
        minimumTTL = scanned.findings.minimumTTL
        isNegative = scanned.isNegative
        negativeTTL = scanned.negativeTTL
        ttlOffsets = scanned.ttlOffsets
        questionEnd = scanned.questionEnd
        bodyEnd = scanned.bodyEnd
        optOffset = scanned.scanner.optOffset
        hasServiceBindings = scanned.scanner.hasServiceBindings
    }

    /// How long this may be stored in seconds; nil if not at all: truncated, an error other than NXDOMAIN, or negative without
    /// an SOA record. A chain that ends in nothing holds no longer than its shortest link.
    public var cacheTTL: UInt32? {
        guard !isTruncated, rcode == .noError || rcode == .nameError else { return nil }
        guard isNegative else { return minimumTTL }
        guard let negativeTTL else { return nil }
        return min(negativeTTL, minimumTTL ?? negativeTTL)
    }

    /// Whether this may be stored.
    public var isCacheable: Bool { cacheTTL != nil }
}
