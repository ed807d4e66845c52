import DNSMessages
import DomainNames
import Testing

struct ReplyTextTests {
    private static func read(_ bytes: [UInt8]) throws -> (text: ReplyText, records: [ReplyText.Record], missing: Int) {
        let found = ReplyText(bytes.span)
        let text = try #require(found)
        let (records, missing) = text.records(in: bytes.span)
        return (text, records, missing)
    }

    @Test func `records are written as zone files write them`() throws {
        let target = MessageBuilder.wire("edge.example.net")
        let soa =
            MessageBuilder.wire("ns.example.org") + MessageBuilder.pointer(12)
            + [1, 2, 3, 4, 5].flatMap { MessageBuilder.number(UInt32($0)) }
        let message = MessageBuilder.response("WWW.example.org")
            .adding(.answer, 5, target).adding(.answer, target, 1, [192, 0, 2, 1])
            .adding(.answer, 28, [0x20, 1, 0x0d, 0xb8] + Array(repeating: 0, count: 11) + [1])
            .adding(.answer, 15, [0, 10] + target).adding(.answer, 33, [0, 1, 0, 2, 1, 187] + target)
            .adding(.answer, 16, [3, 0x61, 0x22, 0x07, 1, 0x62]).adding(.answer, 6, soa).adding(.answer, 65, [0, 1, 0xab])
        let (text, records, missing) = try Self.read(message.bytes)
        #expect(text.qname.description == "www.example.org" && text.qtype == .a && text.rcode == .noError && !text.isTruncated)
        #expect(
            records.map { "\($0.owner) \($0.type) \($0.data)" } == [
                "www.example.org CNAME edge.example.net", "edge.example.net A 192.0.2.1", "www.example.org AAAA 2001:db8::1",
                "www.example.org MX 10 edge.example.net", "www.example.org SRV 1 2 443 edge.example.net",
                ##"www.example.org TXT "a\"\007" "b""##, "www.example.org SOA ns.example.org www.example.org 1 2 3 4 5",
                ##"www.example.org HTTPS \# 3 0001ab"##,
            ])
        #expect(missing == 0)
    }

    @Test func `of a message cut anywhere what is whole is read, the rest is counted, and nothing traps`() throws {
        var message = MessageBuilder.response("www.example.org")
        for number in 0..<8 { message = message.adding(.answer, 1, [192, 0, 2, UInt8(number)]) }
        for count in 0...message.bytes.count {
            let cut = Array(message.bytes.prefix(count))
            guard let text = ReplyText(cut.span) else {
                #expect(count < 33)
                continue
            }
            let (records, missing) = text.records(in: cut.span)
            #expect(records.count == (count - 33) / 16)
            #expect(records.count + missing == 8)
        }
    }

    @Test func `a name that is pointed to and reaches beyond its record is no name, so that a part says what the whole says`() throws {
        // At 42, in the TTL, begins a label of 44 bytes.
        let record: [UInt8] = [0xc0, 0x0c, 0, 15, 0, 1, 0, 0, 1, 44, 0, 4, 0, 10, 0xc0, 42]
        let message = MessageBuilder.response("www.example.org").bytes
        let whole = Array(message[..<7]) + [1] + Array(message[8...]) + record + Array(repeating: 0x61, count: 38) + [0]
        #expect(try Self.read(whole).records.map(\.data) == [##"\# 4 000ac02a"##])
        #expect(try Self.read(Array(whole.dropLast(20))).records.map(\.data) == [##"\# 4 000ac02a"##])
    }

    @Test func `bytes that are no message are not read beyond their end`() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            var bytes = (0..<Int.random(in: 0...120)).map { _ in UInt8.random(in: 0...255, using: &random) }
            // Mostly a question that can be read.
            if bytes.count > 30, Bool.random() { bytes.replaceSubrange(12..<18, with: [3, 0x77, 0x77, 0x77, 0, 0]) }
            if let text = ReplyText(bytes.span) { _ = text.records(in: bytes.span) }
        }
    }
}
