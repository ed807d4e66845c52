import CAllocationCounter
import DNSMessages
import Testing

@Suite struct ReplyTests {
    static func reply(
        to query: MessageBuilder, from message: MessageBuilder, age: UInt32 = 0, cap: UInt32 = .max, sizeMax: Int? = nil
    ) throws -> [UInt8]? {
        let query = try DNSQuery(scanning: query.bytes.span)
        let response = try DNSResponse(parsing: message.bytes.span)
        let stored = Array(message.bytes[..<response.bodyEnd])
        var bytes = [UInt8](repeating: 0xee, count: 65_535)
        var buffer = bytes.mutableSpan
        let length = DNSReply.write(
            stored.span, of: response, to: query, ageSeconds: age, timeToLiveCapSeconds: cap, sizeMax: sizeMax ?? query.udpReplySizeMax(),
            into: &buffer)
        return length.map { Array(bytes[..<$0]) }
    }

    @Test(arguments: [
        (ResponseCode.refused, UInt8(5), UInt8(0)), (.serverFailure, 2, 0), (.formatError, 1, 0), (.notImplemented, 4, 0),
        (.nameError, 3, 0), (.badVersion, 0, 1),
    ])
    func `a refusal echoes id, question, RD and CD, and says why to who knows EDNS`(_ code: ResponseCode, _ low: UInt8, _ high: UInt8)
        throws
    {
        let query = try DNSQuery(scanning: MessageBuilder.query("wWw.example.org", flags: 0x0110).opt(size: 4_096, ttl: 0x8000).bytes.span)
        var bytes = [UInt8](repeating: 0xee, count: 512)
        var buffer = bytes.mutableSpan
        let length = try #require(DNSReply.write(code, to: query, extendedError: .prohibited("not in policy"), into: &buffer))
        let text = Array("not in policy".utf8)
        var expected: [UInt8] = [0x12, 0x34, 0x81, 0x90 | low, 0, 1, 0, 0, 0, 0, 0, 1]
        expected += MessageBuilder.wire("wWw.example.org") + [0, 1, 0, 1]
        expected += [0, 0, 41, 0x04, 0xd0, high, 0, 0x80, 0, 0, UInt8(6 + text.count), 0, 15, 0, UInt8(2 + text.count), 0, 18] + text
        #expect(Array(bytes[..<length]) == expected)
    }

    @Test func `a client without EDNS gets no OPT record and no code above 15`() throws {
        let query = try DNSQuery(scanning: MessageBuilder.query().bytes.span)
        var bytes = [UInt8](repeating: 0xee, count: 512)
        var buffer = bytes.mutableSpan
        let length = DNSReply.write(.badVersion, to: query, extendedError: .prohibited("unseen"), into: &buffer)
        #expect(length == query.questionEnd)
        #expect(bytes[3] == 0x82)
        #expect(bytes[11] == 0)
    }

    @Test func `the longest refusal fits into 512 bytes and long texts end with a whole character`() throws {
        let name = MalformedResponseTests.longName(255)
        let query = try DNSQuery(scanning: MessageBuilder(flags: 0, name: name, type: 1).opt().bytes.span)
        var bytes = [UInt8](repeating: 0, count: 512)
        var buffer = bytes.mutableSpan
        let text = String(repeating: "x", count: 127) + "é" + String(repeating: "y", count: 300)
        let length = try #require(DNSReply.write(.refused, to: query, extendedError: .other(text), into: &buffer))
        #expect(length == 12 + 255 + 4 + 11 + 6 + 127)
    }

    @Test func `a buffer that is too small is nil, never a trap`() throws {
        let query = try DNSQuery(scanning: MessageBuilder.query().opt().bytes.span)
        let message = MessageBuilder.response().a()
        let response = try DNSResponse(parsing: message.bytes.span)
        for size in 0..<60 {
            var bytes = [UInt8](repeating: 0, count: size)
            var buffer = bytes.mutableSpan
            let refusal = DNSReply.write(.refused, to: query, into: &buffer)
            #expect((refusal != nil) == (size >= 44))
            let answer = DNSReply.write(
                message.bytes.span, of: response, to: query, ageSeconds: 0, timeToLiveCapSeconds: 9, sizeMax: 1_232, into: &buffer)
            #expect(answer == nil)
            let asked = UpstreamQuery.write(for: query, id: 1, caseBits: .zero, into: &buffer)
            #expect((asked != nil) == (size >= 44))
        }
    }

    @Test func `a stored answer takes id, flags, case and TTLs for its client`() throws {
        let stored = MessageBuilder.response("WWW.example.org", flags: 0x84a0).cname("www.example.org", "a.test", ttl: 100)
            .a(MessageBuilder.wire("a.test"), ttl: 500).a(MessageBuilder.wire("a.test"), 2, ttl: 0x8000_0001)
            .opt(options: [0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8])
        let bytes = try #require(
            try Self.reply(to: .query("www.EXAMPLE.org").setting16(0) { _ in 0x4321 }, from: stored, age: 30, cap: 400))
        let expected = MessageBuilder(id: 0x4321, flags: 0x8180, name: MessageBuilder.wire("www.EXAMPLE.org"), type: 1)
            .cname("www.example.org", "a.test", ttl: 70).a(MessageBuilder.wire("a.test"), ttl: 400).a(
                MessageBuilder.wire("a.test"), 2, ttl: 0)
        #expect(bytes == expected.bytes)
    }

    @Test func `an answer older than its TTL is given with 0`() throws {
        let bytes = try #require(try Self.reply(to: .query(), from: MessageBuilder.response().a(ttl: 10), age: 11))
        #expect(bytes == MessageBuilder.response().a(ttl: 0).bytes)
    }

    @Test(arguments: [
        (MessageBuilder.query(), false), (.query(flags: 0x0120), true), (.query().opt(ttl: 0x8000), true), (.query().opt(), false),
    ])
    func `AD is handed on to a client that asked for it or for DNSSEC`(_ query: MessageBuilder, _ isHandedOn: Bool) throws {
        let bytes = try #require(try Self.reply(to: query, from: MessageBuilder.response(flags: 0x81a0).a()))
        #expect((bytes[3] & 0x20 != 0) == isHandedOn)
    }

    @Test func `a client with EDNS gets our own OPT record, whatever the upstream put in its own`() throws {
        let options: [UInt8] = [0, 10, 0, 2, 1, 2, 0, 3, 0, 1, 0x6e]
        let upstream = MessageBuilder.response().a().opt(size: 4_000, options: options)
            .adding(.additional, "glue.example.org", 1, [198, 51, 100, 1])
        let bytes = try #require(try Self.reply(to: .query().opt(size: 512, ttl: 0x8000, options: options), from: upstream))
        #expect(bytes == MessageBuilder.response().a().opt(size: 1_232, ttl: 0x8000).bytes)
    }

    @Test func `a reply that is too long is cut to header, question and OPT record with TC`() throws {
        let many = (0..<40).reduce(MessageBuilder.response()) { $0.a(MessageBuilder.pointer(12), UInt8($1)) }
        #expect(try Self.reply(to: .query(), from: many) == MessageBuilder.response(flags: 0x8380).bytes)
        #expect(try Self.reply(to: .query().opt(size: 600), from: many) == MessageBuilder.response(flags: 0x8380).opt().bytes)
        #expect(try Self.reply(to: .query().opt(size: 1_232), from: many) == many.opt().bytes)
        #expect(try Self.reply(to: .query(), from: many, sizeMax: 65_535) == many.bytes)
        // The last byte decides: the OPT record counts.
        #expect(try Self.reply(to: .query().opt(), from: many, sizeMax: many.bytes.count + 11) == many.opt().bytes)
        #expect(try Self.reply(to: .query().opt(), from: many, sizeMax: many.bytes.count + 10)?.count == 33 + 11)
    }

    @Test func `a stored answer to another question is not given`() throws {
        #expect(try Self.reply(to: .query("www.example.net"), from: MessageBuilder.response().a()) == nil)
        #expect(try Self.reply(to: .query("ww.example.org"), from: MessageBuilder.response().a()) == nil)
        #expect(try Self.reply(to: .query(type: 28), from: MessageBuilder.response().a()) == nil)
    }

    @Test(arguments: GoodMessage.all)
    func `what a client is given parses again and yields the same addresses`(_ message: GoodMessage) throws {
        let response = try DNSResponse(parsing: message.bytes.span)
        let name = response.qname.wire
        for hasEDNS in [false, true] {
            let plain = MessageBuilder(id: 7, flags: 0x0100, name: name, type: response.qtype.rawValue)
            let query = try DNSQuery(scanning: (hasEDNS ? plain.opt() : plain).bytes.span)
            var bytes = [UInt8](repeating: 0, count: 65_535)
            var buffer = bytes.mutableSpan
            let length = try #require(
                DNSReply.write(
                    message.bytes.span, of: response, to: query, ageSeconds: 1, timeToLiveCapSeconds: 60, sizeMax: 65_535, into: &buffer))
            let again = try DNSResponse(parsing: bytes.span.extracting(first: length))
            #expect(again.addresses == response.addresses)
            #expect(again.rcode == response.rcode)
            #expect((again.minimumTTL ?? 0) <= 60)
            #expect((again.optOffset != nil) == hasEDNS)
        }
    }

    @Test(.enabled(if: isOptimized))
    func `scanning a query, finding its key and answering from store allocate nothing`() throws {
        let stored = (1...25).reduce(MessageBuilder.response()) { $0.a(MessageBuilder.pointer(12), UInt8($1)) }.bytes
        let response = try DNSResponse(parsing: stored.span)
        let queryBytes = MessageBuilder.query("wwW.example.org").opt().bytes
        let store = [try DNSQuery(scanning: queryBytes.span).cacheKey: 1]
        var bytes = [UInt8](repeating: 0, count: 1_500)
        var total = 0
        func round() throws(MessageFault) {
            var buffer = bytes.mutableSpan
            let query = try DNSQuery(scanning: queryBytes.span)
            total += store[query.cacheKey] ?? 0
            total +=
                DNSReply.write(
                    stored.span, of: response, to: query, ageSeconds: 3, timeToLiveCapSeconds: 60, sizeMax: query.udpReplySizeMax(),
                    into: &buffer) ?? 0
            total += DNSReply.write(.refused, to: query, extendedError: .prohibited("no rule allows this name"), into: &buffer) ?? 0
            total += UpstreamQuery.write(for: query, id: 9, caseBits: SIMD4(repeating: 0x5555), into: &buffer) ?? 0
        }
        try round()
        let before = exeat_allocations_of_this_thread()
        for _ in 0..<1_000 { try round() }
        #expect(exeat_allocations_of_this_thread() == before)
        #expect(total > 0)
        let time = shortestTime { for _ in 0..<1_000 { _ = try? round() } }
        print("scan, key, answer of 25 records, refusal and upstream query: \(time / 1_000)")
    }
}
