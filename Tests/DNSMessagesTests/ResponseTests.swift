import DNSMessages
import Testing

@Suite struct ResponseTests {
    @Test(arguments: GoodMessage.all)
    func `a good answer gives the addresses, the chain and the lifetimes that stand in it`(_ message: GoodMessage) throws {
        let response = try DNSResponse(parsing: message.bytes.span)
        #expect(response.addresses.map(\.description) == message.addresses)
        #expect(response.chainLength == message.chainLength)
        #expect(response.minimumTTL == message.minimumTTL)
        #expect(response.cacheTTL == message.cacheTTL)
        #expect(response.isCacheable == (message.cacheTTL != nil))
        #expect(response.id == 0x1234)
    }

    @Test(arguments: GoodMessage.all)
    func `a good answer cut at any length is refused`(_ message: GoodMessage) {
        for length in 0..<message.bytes.count {
            #expect(responseFault(Array(message.bytes[..<length])) != nil, "cut to \(length)")
        }
    }

    @Test func `the body ends before the additional section and every TTL field up to there is listed`() throws {
        let message = MessageBuilder.response().a(ttl: 77).soa(ttl: 88)
        let whole = message.adding(.additional, "ns.example.org", 1, [198, 51, 100, 53]).opt()
        let response = try DNSResponse(parsing: whole.bytes.span)
        #expect(response.bodyEnd == message.bytes.count)
        #expect(response.optOffset == whole.bytes.count - 11)
        #expect(response.ttlOffsets.map { whole.bytes[Int($0) + 3] } == [77, 88])
    }

    @Test func `4,096 address records over TCP pass`() throws {
        var message = MessageBuilder.response("a.example")
        let whole = (0..<4_090).reduce(into: message) {
            $0 = $0.appending([0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 198, 51, UInt8($1 >> 8), UInt8($1 & 255)])
        }
        message = whole.counting(.answer, 4_090)
        #expect(message.bytes.count < 65_536)
        let response = try DNSResponse(parsing: message.bytes.span)
        #expect(response.addresses.count == 4_090)
        // A root question leaves room for more.
        var root = MessageBuilder(flags: 0x8180, name: [0], type: 1)
        for index in 0..<4_096 {
            root = root.appending([0, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 198, 51, UInt8(index >> 8), UInt8(index & 255)])
        }
        #expect(try parse(root.counting(.answer, 4_096).bytes).addresses.count == 4_096)
    }

    @Test func `the extended RCODE is read with the header's`() throws {
        let response = try DNSResponse(parsing: MessageBuilder.response().opt(ttl: 0x0100_0000).bytes.span)
        #expect(response.rcode == .badVersion)
        #expect(!response.isCacheable)
    }
}
