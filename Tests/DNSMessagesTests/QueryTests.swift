import DNSMessages
import Testing

@Suite struct QueryTests {
    @Test func `a query gives what it asks`() throws {
        let query = try DNSQuery(
            scanning: MessageBuilder.query("wWw.Example.org", type: 28, flags: 0x0130).opt(size: 4_096, ttl: 0x8000).bytes.span)
        #expect(query.id == 0x1234)
        #expect(query.isRecursionDesired && query.isAuthenticDataRequested && query.isCheckingDisabled && query.isDNSSECOK)
        #expect(query.name.bytes == MessageBuilder.wire("wWw.Example.org"))
        #expect(query.qname.wire == MessageBuilder.wire("www.example.org"))
        #expect(query.qtype == .aaaa)
        #expect(query.edns?.udpPayloadSize == 4_096)
        #expect(query.questionEnd == 33)
    }

    @Test(arguments: [
        (MessageFault.notAQuery, MessageBuilder.response(), ResponseCode?.none),
        (.opcodeNotQuery, .query(flags: 0x2800), .notImplemented),
        (.questionCount, .query().setting16(4) { _ in 0 }, .formatError),
        (.questionCount, .query().setting16(4) { _ in 2 }, .formatError),
        (.recordsInQuery, .query().a(), .formatError),
        (.recordsInQuery, .query().soa(), .formatError),
        (.questionClass, MessageBuilder(flags: 0, name: MessageBuilder.wire("version.bind"), type: 16, class: 3), .refused),
        (.questionClass, MessageBuilder(flags: 0, name: [0], type: 1, class: 255), .refused),
        (.questionType, .query(type: 0), .formatError),
        (.questionType, .query(type: 41), .formatError),
        (.questionTypeNotSupported, .query(type: 252), .notImplemented),
        (.pointerNotBackward, MessageBuilder(flags: 0, name: [0xc0, 12], type: 1), .formatError),
        (.pointerNotBackward, MessageBuilder(flags: 0, name: [1, 0x61, 0xc0, 12], type: 1), .formatError),
        (.pointerIntoHeader, MessageBuilder(flags: 0, name: [0xc0, 0], type: 1), .formatError),
        (.transactionSignature, .query().adding(.additional, [0], 250, class: 255, MalformedResponseTests.tsig), .formatError),
        (.optRepeated, .query().opt().opt(), .formatError),
        (.optOptions, .query().opt(options: [1]), .formatError),
        (.trailingBytes, .query().appending([0]), .formatError),
        (.missingRecords, .query().counting(.additional, 1), .formatError),
    ])
    func `a malformed query is refused with its own reason and answered as it deserves`(
        _ fault: MessageFault, _ message: MessageBuilder, _ code: ResponseCode?
    ) {
        #expect(queryFault(message.bytes) == fault)
        #expect(fault.queryResponseCode == code)
        var bytes = [UInt8](repeating: 0xff, count: 64)
        var buffer = bytes.mutableSpan
        let length = DNSReply.write(fault, toMalformed: message.bytes.span, into: &buffer)
        #expect(length == (code == nil ? nil : 12))
        if let code {
            #expect(Array(bytes[..<2]) == [0x12, 0x34])
            #expect(bytes[2] & 0x80 == 0x80)
            #expect(UInt16(bytes[3] & 0x0f) == code.rawValue)
            #expect(Array(bytes[4..<12]) == Array(repeating: 0, count: 8))
        }
    }

    @Test func `a good query cut at any length is refused`() {
        let bytes = MessageBuilder.query().opt(options: [0, 10, 0, 2, 1, 2]).bytes
        #expect(queryFault(bytes) == nil)
        for length in 0..<bytes.count { #expect(queryFault(Array(bytes[..<length])) != nil) }
    }

    @Test func `the cache key folds case and tells type, DO and CD apart`() throws {
        func key(_ message: MessageBuilder) throws -> CacheKey { try scan(message).cacheKey }
        let plain = try key(.query("www.example.org"))
        #expect(try key(.query("WWW.eXample.org", flags: 0)) == plain)
        #expect(try key(.query("WWW.eXample.org", flags: 0)).hashValue == plain.hashValue)
        let others: [MessageBuilder] = [
            .query("ww.example.org"), .query(type: 28), .query(flags: 0x0110), .query().opt(ttl: 0x8000), .query("www.example.org.org"),
        ]
        let keys = try others.map(key)
        #expect(Set(keys + [plain]).count == 6)
        #expect(Set((keys + [plain]).map(\.bytes)).count == 6)
        #expect(plain.bytes == MessageBuilder.wire("www.example.org") + [0, 1, 0, 1, 0])
    }

    @Test(arguments: [(UInt16?.none, 512), (100, 512), (512, 512), (1_000, 1_000), (1_232, 1_232), (4_096, 1_232)])
    func `a reply by UDP is no longer than the client and we agree`(_ announced: UInt16?, _ size: Int) throws {
        let message = announced.map { MessageBuilder.query().opt(size: $0) } ?? .query()
        #expect(try scan(message).udpReplySizeMax() == size)
    }
}
