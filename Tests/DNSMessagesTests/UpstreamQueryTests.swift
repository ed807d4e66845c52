import DNSMessages
import Testing

@Suite struct UpstreamQueryTests {
    static func sent(for query: MessageBuilder, caseBits: SIMD4<UInt64> = .zero, hasEDNS: Bool = true) throws -> [UInt8] {
        let query = try DNSQuery(scanning: query.bytes.span)
        var bytes = [UInt8](repeating: 0xee, count: 300)
        var buffer = bytes.mutableSpan
        let length = try #require(UpstreamQuery.write(for: query, id: 0xbeef, caseBits: caseBits, hasEDNS: hasEDNS, into: &buffer))
        return Array(bytes[..<length])
    }

    @Test func `the upstream is asked with our id and OPT record, and the client's RD, AD, CD and DO`() throws {
        let lower = MessageBuilder.wire("www.example.org")
        let expected = MessageBuilder(id: 0xbeef, flags: 0x0130, name: lower, type: 28)
        let cookie: [UInt8] = [0, 10, 0, 2, 1, 2]
        #expect(
            try Self.sent(for: .query("WWW.Example.org", type: 28, flags: 0x0130).opt(ttl: 0x8000, options: cookie))
                == expected.opt(ttl: 0x8000).bytes)
        #expect(try Self.sent(for: .query("WWW.Example.org", type: 28, flags: 0x0130)) == expected.opt().bytes)
        #expect(try Self.sent(for: .query("WWW.Example.org", type: 28, flags: 0x0130), hasEDNS: false) == expected.bytes)
    }

    @Test func `the bits decide the case of letters and touch nothing else`() throws {
        let name = "a1-b_c.example"
        let bytes = try Self.sent(for: .query(name), caseBits: SIMD4(repeating: .max))
        #expect(Array(bytes[12..<(12 + 16)]) == MessageBuilder.wire("A1-B_C.EXAMPLE"))
        let mixed = try Self.sent(for: .query(name), caseBits: SIMD4(0b10, 0, 0, 0))
        #expect(Array(mixed[12..<(12 + 16)]) == MessageBuilder.wire("A1-b_c.example"))
        let long = MessageBuilder(flags: 0, name: MalformedResponseTests.longName(255), type: 1)
        #expect(try Self.sent(for: long, caseBits: SIMD4(repeating: .max)).contains(0x61) == false)
    }

    @Test func `a reply matches by QR, id and question, case included`() throws {
        let sent = try Self.sent(for: .query(), caseBits: SIMD4(repeating: 0x0f0f_5555))
        let question = Array(sent[12..<33])
        var reply = sent
        reply[2] |= 0x80
        func matches(_ reply: [UInt8]) -> Bool { UpstreamQuery.matches(reply: reply.span, id: 0xbeef, question: question.span) }
        #expect(matches(reply))
        #expect(!matches(sent))
        for index in [0, 1, 5] + Array(12..<33) {
            for bit in [UInt8(0x01), 0x20] {
                var other = reply
                other[index] ^= bit
                #expect(!matches(other), "byte \(index)")
            }
        }
        for length in 0..<33 { #expect(!matches(Array(reply[..<length]))) }
        func isTruncated(_ reply: [UInt8]) -> Bool { UpstreamQuery.isTruncated(reply: reply.span) }
        #expect(!isTruncated(reply))
        reply[2] |= 0x02
        #expect(isTruncated(reply))
    }
}
