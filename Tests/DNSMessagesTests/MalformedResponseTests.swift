import DNSMessages
import Testing

/// One row per way of refusal. The first rows are the inputs that mislead libldns.
@Suite struct MalformedResponseTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let title: String
        let fault: MessageFault
        let bytes: [UInt8]
        init(_ title: String, _ fault: MessageFault, _ message: MessageBuilder) {
            (self.title, self.fault, bytes) = (title, fault, message.bytes)
        }
        var testDescription: String { title }
    }

    static let good = MessageBuilder.response().a()
    static let fakeRecord: [UInt8] = [0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 203, 0, 113, 66]
    static let tsig: [UInt8] = MessageBuilder.wire("hmac-md5") + Array(repeating: 0, count: 16)

    static let rows: [Row] = [
        Row(
            "an A record of 20 bytes that hides a whole record", .addressLength,
            MessageBuilder.response().adding(1, [192, 0, 2, 1] + fakeRecord).a()),
        Row("an A record without data", .addressLength, MessageBuilder.response().adding(1, [])),
        Row("an AAAA record of 4 bytes", .addressLength, MessageBuilder.response(type: 28).adding(28, [192, 0, 2, 1])),
        Row("a question that points at itself", .pointerNotBackward, MessageBuilder(flags: 0x8180, name: [0xc0, 12], type: 1)),
        Row(
            "two TSIG records", .transactionSignature,
            good.adding(.additional, [0], 250, class: 255, []).adding(.additional, [0], 250, class: 255, [])),
        Row("TSIG in additional", .transactionSignature, good.adding(.additional, [0], 250, class: 255, tsig).opt()),
        Row("SIG(0)", .transactionSignature, good.adding(.additional, [0], 24, Array(repeating: 0, count: 40))),
        Row("a trailing byte", .trailingBytes, good.appending([0])),
        Row("a forward pointer", .pointerNotBackward, MessageBuilder.response().a(MessageBuilder.pointer(60)).a()),
        Row("a pointer at its own record", .pointerNotBackward, MessageBuilder.response().a(MessageBuilder.pointer(33))),
        Row("QDCOUNT 0", .questionCount, good.setting16(4) { _ in 0 }),
        Row("QDCOUNT 2", .questionCount, good.setting16(4) { _ in 2 }),
        Row(
            "a question of class CH", .questionClass,
            MessageBuilder(flags: 0x8180, name: MessageBuilder.wire("version.bind"), type: 16, class: 3)),
        Row("a record of class CH", .recordClass, MessageBuilder.response().adding(1, class: 3, [192, 0, 2, 1])),

        Row("a query", .notAResponse, MessageBuilder.query()),
        Row("opcode UPDATE", .opcodeNotQuery, MessageBuilder.response(flags: 0xa980)),
        Row("too many records", .tooManyRecords, MessageBuilder.response().counting(.answer, 5_000)),
        Row("fewer records than counted", .missingRecords, good.counting(.answer, 1)),
        Row("fewer authority records than counted", .missingRecords, good.counting(.authority, 1)),
        Row(
            "a record cut in its fixed part", .truncatedRecord,
            MessageBuilder.response().appending([0xc0, 12, 0, 1, 0]).counting(.answer, 1)),
        Row("RDLENGTH beyond the end", .recordDataOverrun, MessageBuilder.response().adding(1, [192, 0, 2, 1], length: 5)),
        Row("a pointer into the header", .pointerIntoHeader, MessageBuilder.response().a(MessageBuilder.pointer(4))),
        Row("label type 01", .labelType, MessageBuilder.response().a([0x41, 0x61, 0])),
        Row("label type 10", .labelType, MessageBuilder.response().a([0x81, 0x61, 0])),
        Row("a name of 256 bytes", .nameTooLong, MessageBuilder.response().a(longName(256))),
        Row(
            "a pointer that makes 256 bytes", .nameTooLong,
            MessageBuilder.response().a(longName(240).dropLast() + MessageBuilder.pointer(12))),
        Row("a name that runs out of the message", .truncatedName, MessageBuilder.response().appending([3, 0x61]).counting(.answer, 1)),
        Row("a pointer to labels that run into the name itself", .pointerIntoData, overlap()),
        Row(
            "a pointer into an earlier record's TTL", .pointerIntoData,
            MessageBuilder.response().a(ttl: 0x0161_0000).a(MessageBuilder.pointer(MessageBuilder.response().bytes.count + 6))),
        Row(
            "a pointer into the middle of a label", .pointerIntoData,
            MessageBuilder.response("www.\u{1}x.test").a(MessageBuilder.pointer(17))),
        Row("65 pointers", .pointerLimit, pointers(65)),
        Row(
            "a compressed RRSIG signer", .compressionNotAllowed,
            MessageBuilder.response().adding(46, Array(repeating: 1, count: 18) + [0xc0, 12, 1])),
        Row("a compressed HTTPS target", .compressionNotAllowed, MessageBuilder.response(type: 65).adding(65, [0, 1, 0xc0, 12])),
        Row(
            "a CNAME with bytes after the name", .recordDataLength,
            MessageBuilder.response().adding(5, MessageBuilder.wire("a.example") + [0])),
        Row(
            "a CNAME whose name runs beyond RDLENGTH", .truncatedName,
            MessageBuilder.response().adding(5, MessageBuilder.wire("a.example"), length: 9)),
        Row("a CNAME without data", .recordDataLength, MessageBuilder.response().adding(5, [])),
        Row(
            "an SOA record with four numbers", .recordDataLength,
            MessageBuilder.response().adding(.authority, 6, [0, 0] + Array(repeating: 0, count: 16))),
        Row("an MX record without a name", .recordDataLength, MessageBuilder.response().adding(15, [0, 1])),
        Row("an SRV record that is short", .recordDataLength, MessageBuilder.response().adding(33, [0, 1, 0, 1, 0, 1])),
        Row("a TXT string beyond RDLENGTH", .recordDataLength, MessageBuilder.response().adding(16, [5, 0x61])),
        Row(
            "an RRSIG record without signature", .recordDataLength,
            MessageBuilder.response().adding(46, Array(repeating: 1, count: 18) + [0])),
        Row("an NSEC record with an empty window", .recordDataLength, MessageBuilder.response().adding(.authority, 47, [0, 0, 0])),
        Row(
            "HTTPS keys out of order", .serviceParameters,
            MessageBuilder.response(type: 65).adding(65, [0, 1, 0, 0, 3, 0, 2, 1, 187, 0, 1, 0, 2, 1, 0x61])),
        Row(
            "an HTTPS key twice", .serviceParameters,
            MessageBuilder.response(type: 65).adding(65, [0, 1, 0, 0, 3, 0, 2, 1, 187, 0, 3, 0, 2, 1, 187])),
        Row(
            "an HTTPS hint of 5 bytes", .serviceParameters,
            MessageBuilder.response(type: 65).adding(65, [0, 1, 0, 0, 4, 0, 5, 192, 0, 2, 1, 1])),
        Row(
            "an HTTPS parameter beyond RDLENGTH", .serviceParameters,
            MessageBuilder.response(type: 65).adding(65, [0, 1, 0, 0, 4, 0, 8, 192, 0, 2, 1])),
        Row("a record of type ANY", .recordMetaType, MessageBuilder.response().adding(255, [])),
        Row("a record of type 0", .recordMetaType, MessageBuilder.response().adding(0, [])),
        Row("OPT in the answer", .optSection, MessageBuilder.response().adding(.answer, [0], 41, class: 1_232, [])),
        Row("OPT with an owner", .optOwner, good.adding(.additional, 41, class: 1_232, [])),
        Row("two OPT records", .optRepeated, good.opt().opt()),
        Row("an option beyond the OPT record", .optOptions, good.opt(options: [0, 10, 0, 9, 1])),
        Row("half an option", .optOptions, good.opt(options: [0, 10, 0])),

        Row(
            "two CNAME records for one owner", .multipleCNAME,
            MessageBuilder.response().cname("www.example.org", "a.example.net").cname("WWW.example.org", "b.example.net")),
        Row("an address beside a CNAME", .cnameAndOtherData, MessageBuilder.response().cname("www.example.org", "a.example.net").a()),
        Row("TXT beside a CNAME", .cnameAndOtherData, MessageBuilder.response().cname("www.example.org", "a.example.net").adding(16, [0])),
        Row("a CNAME that points at itself", .cnameLoop, MessageBuilder.response().cname("www.example.org", "WWW.example.org")),
        Row(
            "a loop of three", .cnameLoop,
            MessageBuilder.response().cname("www.example.org", "a.test").cname("a.test", "b.test").cname("b.test", "a.test".uppercased())
                .setting16(6) { $0 }),
        Row("a chain of 17", .chainTooLong, GoodMessage.chain(17)),
        Row("a CNAME that its DNAME does not yield", .dnameMismatch, GoodMessage.dname(target: "www.example.com")),
        Row("a CNAME off the chain", .offChainAlias, good.cname("other.example.org", "www.example.org")),
        Row("a DNAME off the chain", .offChainAlias, good.adding("example.com", 39, MessageBuilder.wire("example.net"))),
        Row("an address of another name", .offChainAddress, good.a(MessageBuilder.wire("victim.example.org"), 66)),
        Row(
            "an address of the question beside a chain's end", .offChainAddress,
            MessageBuilder.response().cname("www.example.org", "a.test").a(MessageBuilder.wire("b.test"))),
        Row("an AAAA record for a question of type A", .offChainAddress, good.adding(28, Array(repeating: 0, count: 16))),
        Row("an A record for a question of type TXT", .offChainAddress, MessageBuilder.response(type: 16).a()),
        Row("hints for a question of type A", .offChainAddress, good.adding(65, MessageBuilder.httpsData)),
        Row("an address with NXDOMAIN", .addressInError, MessageBuilder.response(flags: 0x8183).a()),
        Row("an address with an extended RCODE", .addressInError, MessageBuilder.response().a().opt(ttl: 0x0100_0000)),
    ]

    static func longName(_ length: Int) -> [UInt8] {
        var name: [UInt8] = []
        while name.count + 1 < length {
            let label = min(63, length - name.count - 2)
            name += [UInt8(label)] + Array(repeating: 0x61, count: label)
        }
        return name + [0]
    }

    /// An opaque record ends in the length byte of a label whose 3 bytes are the pointer that leads there and what follows.
    static func overlap() -> MessageBuilder {
        let message = MessageBuilder.response().adding(10, [3])
        return message.a(MessageBuilder.pointer(message.bytes.count - 1))
    }

    /// Records whose owners are pointers, each to the owner before; the last owner takes `count` of them.
    static func pointers(_ count: Int) -> MessageBuilder {
        (1..<count).reduce(MessageBuilder.response().a()) { message, index in
            message.a(MessageBuilder.pointer(message.bytes.count - 16), UInt8(index))
        }
    }

    @Test(arguments: rows)
    func `a malformed answer is refused with its own reason, in well under a millisecond`(_ row: Row) {
        #expect(responseFault(row.bytes) == row.fault)
        #expect(!isOptimized || shortestTime { _ = responseFault(row.bytes) } < .milliseconds(1))
    }

    @Test func `64 pointers and a name of 255 bytes are the last that pass`() {
        #expect(responseFault(Self.pointers(64).bytes) == nil)
        #expect(responseFault(MessageBuilder(flags: 0x8180, name: Self.longName(255), type: 1).a().bytes) == nil)
        #expect(responseFault(MessageBuilder(flags: 0x8180, name: Self.longName(256), type: 1).bytes) == .nameTooLong)
    }

    @Test func `a header alone or less is refused`() {
        for length in 0..<12 { #expect(responseFault(Array(repeating: 0x80, count: length)) == .shortHeader) }
        #expect(responseFault(Array(MessageBuilder.response().bytes[..<12])) == .truncatedQuestion)
        #expect(responseFault(Array(repeating: 0x80, count: 65_536)) == .oversizedMessage)
    }

    @Test func `a question that is cut is refused at every byte`() {
        let whole = MessageBuilder.response().bytes
        for length in 13..<whole.count - 4 { #expect(responseFault(Array(whole[..<length])) == .truncatedName) }
        for length in (whole.count - 4)..<whole.count { #expect(responseFault(Array(whole[..<length])) == .truncatedQuestion) }
    }

    @Test(.enabled(if: isOptimized))
    func `64 KB of long pointer chains cost less than a millisecond`() {
        // Owners alternate between the ends of two chains of 63 pointers, so that no shortcut helps.
        var message = Self.pointers(63)
        let end = message.bytes.count - 16
        var count = 0
        while message.bytes.count < 65_500, count < 4_000 {
            message = message.appending(MessageBuilder.pointer(end - 16 * (count % 2)) + [0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 0, 2, 1])
            count += 1
        }
        let bytes = message.counting(.answer, count).bytes
        #expect(bytes.count > 60_000)
        #expect(responseFault(bytes) == .tooMuchWork)
        let time = shortestTime { _ = responseFault(bytes) }
        print("64 KB of pointer chains: \(time)")
        #expect(time < .milliseconds(1))
    }

    @Test(.enabled(if: isOptimized))
    func `TXT of 60 KB is walked by the scanner alone, quickly`() {
        let data = Array(repeating: UInt8(0), count: 60_000)
        let bytes = MessageBuilder.response(type: 16).adding(16, data).bytes
        #expect(responseFault(bytes) == nil)
        let time = shortestTime { _ = responseFault(bytes) }
        print("60 KB of empty TXT strings: \(time)")
        #expect(time < .milliseconds(1))
    }

    @Test func `each fault has a label of its own`() {
        let labels = Set(MessageFault.allCases.map(\.label))
        #expect(labels.count == MessageFault.allCases.count)
        #expect(labels.allSatisfy { $0.allSatisfy { $0.isLowercase || $0 == "_" } })
    }

    @Test func `every fault of the scanner and the chain has a row`() {
        let elsewhere: Set<MessageFault> = [
            .shortHeader, .oversizedMessage, .truncatedQuestion, .notAQuery, .recordsInQuery, .questionType, .questionTypeNotSupported,
            .tooMuchWork,  // by tests of their own
            .parserRefusal, .parserDisagreement,  // what libldns alone dislikes; the mutation test counts them
        ]
        #expect(Set(Self.rows.map(\.fault)).union(elsewhere) == Set(MessageFault.allCases))
    }
}
