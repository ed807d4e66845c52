import DNSMessages
import Testing

@Suite struct QuestionHasherTests {
    private static let hasher = QuestionHasher()

    private func hash(_ message: [UInt8], _ hasher: QuestionHasher = Self.hasher) throws(MessageFault) -> UInt64 {
        hasher.hash(message.span, try QueryHead(scanning: message.span))
    }

    /// Whether a query asks for what is stored as an answer to another, asked with these flags.
    private func asks(_ query: [UInt8], for stored: [UInt8], dnssecOK: Bool = false, checkingDisabled: Bool = false) throws(MessageFault)
        -> Bool
    {
        try QueryHead(scanning: query.span).asksFor(
            stored.span, isDNSSECOK: dnssecOK, isCheckingDisabled: checkingDisabled, in: query.span)
    }

    private func isSame(_ left: [UInt8], _ right: [UInt8]) -> Bool { CacheKey.isSameQuestion(left.span, right.span) }

    @Test func `letters lose their case and no other byte does`() throws {
        // One label of ten bytes, so that the byte is in a whole word or in the rest.
        func message(_ byte: UInt8, at place: Int) -> [UInt8] {
            var label = [UInt8](repeating: 0x5b, count: 10)
            label[place] = byte
            return MessageBuilder(flags: 0x0100, name: [10] + label + [0], type: 1).bytes
        }
        for place in 0..<10 {
            for byte: UInt8 in 0...255 {
                let (one, two) = (message(byte, at: place), message(byte ^ 0x20, at: place))
                let isLetter = (0x61...0x7a).contains(byte | 0x20)
                #expect(try (hash(one) == hash(two)) == isLetter)
                #expect(try asks(one, for: two) == isLetter)
                #expect(isSame(one, two) == isLetter)
            }
        }
    }

    @Test func `case does not count, anything else in the question does`() throws {
        let message = MessageBuilder.query("www.example.org").bytes
        #expect(try hash(message) == hash(MessageBuilder.query("WwW.eXample.ORG").bytes))
        #expect(try hash(message) == hash(MessageBuilder.query("www.example.org").opt().bytes), "an OPT record alone does not")
        var hashes: Set<UInt64> = [try hash(message)]
        let others = [
            MessageBuilder.query("www.example.com"), MessageBuilder.query("ww.wexample.org"),
            MessageBuilder.query("www.example.org", flags: 0x0110), MessageBuilder.query("www.example.org").opt(ttl: 0x8000),
            MessageBuilder.query("www.example.org", type: 28),
        ]
        for other in others { #expect(try hashes.insert(hash(other.bytes)).inserted) }
        #expect(try hash(message) != hash(message, QuestionHasher()), "each hasher draws its own numbers")
        var later = message
        later[0] ^= 0xff  // the id
        #expect(try hash(later) == hash(message))
    }

    /// Every length takes another way through the words and the rest.
    @Test func `each byte of a name of any length counts, and each is compared`() throws {
        for length in 1...200 {
            // Labels of at most 50 bytes.
            let labels = stride(from: 0, to: length, by: 50).map { String(repeating: "a", count: min(50, length - $0)) }
            let message = MessageBuilder.query(labels.joined(separator: ".")).bytes
            let own = try hash(message)
            #expect(try asks(message, for: message))
            for offset in 12..<message.count - 5 where message[offset] == UInt8(ascii: "a") {
                var other = message
                other[offset] = UInt8(ascii: "A")
                #expect(try hash(other) == own && asks(other, for: message))
                other[offset] = UInt8(ascii: "b")
                #expect(try hash(other) != own && !asks(other, for: message) && !asks(message, for: other) && !isSame(message, other))
            }
        }
    }

    @Test func `a stored answer to another type, flag or length is another answer`() throws {
        let message = MessageBuilder.query("www.example.org").bytes
        #expect(try !asks(message, for: message, dnssecOK: true))
        #expect(try !asks(message, for: message, checkingDisabled: true))
        #expect(try asks(MessageBuilder.query("www.example.org").opt(ttl: 0x8000).bytes, for: message, dnssecOK: true))
        let aaaa = MessageBuilder.query("www.example.org", type: 28).bytes
        let longer = MessageBuilder.query("www.example.org.x").bytes
        for other in [aaaa, longer, Array(message.prefix(20))] { #expect(try !asks(message, for: other)) }
        #expect(isSame(message, MessageBuilder.query("WWW.example.org").bytes))
        #expect(!isSame(message, aaaa) && !isSame(message, longer))
    }
}
