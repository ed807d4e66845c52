/// What a reply to one client is made of besides the stored bytes: the part of ``DNSResponse`` that is needed for each of them, without storage of its own.
public struct StoredAnswer: Sendable, BitwiseCopyable {
    public let rcode: ResponseCode
    public let qtype: RecordType
    public let isTruncated: Bool
    public let isAuthenticData: Bool
    public let questionEnd: Int
    public let bodyEnd: Int

    public init(_ response: DNSResponse) {
        rcode = response.rcode
        qtype = response.qtype
        isTruncated = response.isTruncated
        isAuthenticData = response.isAuthenticData
        questionEnd = response.questionEnd
        bodyEnd = response.bodyEnd
    }

    /// Whether a client that takes `sizeMax` bytes gets no more than header, question and OPT record, with TC set.
    public func isCut(to sizeMax: Int, for query: QueryHead) -> Bool {
        isTruncated || bodyEnd + (query.edns == nil ? 0 : DNSReply.optLength) > sizeMax
    }
}
