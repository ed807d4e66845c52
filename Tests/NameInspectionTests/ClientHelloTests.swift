import NameInspection
import Testing

struct ClientHelloTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let bytes: [UInt8]
        let reading: NameReading

        init(_ text: String, _ bytes: [UInt8], _ reading: NameReading) {
            testDescription = text
            self.bytes = bytes
            self.reading = reading
        }
    }

    static let hello = HelloBuilder("www.example.org")
    static let grease = hello.with(0x0a0a, [], first: true).with(0x5a5a, [0])
    static let encrypted = hello.with(0xfe0d, [0] + [UInt8](repeating: 0xec, count: 180))

    static func sni(_ data: [UInt8]) -> [UInt8] { HelloBuilder().with(0, data).records() }

    static let rows: [Row] = [
        Row("a plain hello", hello.records(), name("www.example.org")),
        Row("letter case does not count", HelloBuilder("WWW.Example.ORG").records(), name("www.example.org")),
        Row("one label", HelloBuilder("localhost").records(), name("localhost")),
        Row("an A-label", HelloBuilder("xn--bcher-kva.example").records(), name("xn--bcher-kva.example")),
        Row("an underscore", HelloBuilder("my_bucket.example.net").records(), name("my_bucket.example.net")),
        Row(
            "a label of 63", HelloBuilder(String(repeating: "a", count: 63) + ".test").records(),
            name(String(repeating: "a", count: 63) + ".test")),
        Row("GREASE", grease.records(), name("www.example.org")),
        Row(
            "the name behind others", HelloBuilder().with(0x2b, [2, 3, 4]).with(0, HelloBuilder.names([Array("a.test".utf8)])).records(),
            name("a.test")),
        Row("an encrypted hello: the outer name counts", encrypted.records(), name("www.example.org", isOuter: true)),
        Row("post-quantum size", hello.postQuantum().records(), name("www.example.org")),
        Row(
            "post-quantum size, the name last", HelloBuilder().postQuantum().with(0, HelloBuilder.names([Array("a.test".utf8)])).records(),
            name("a.test")),
        Row("records of one byte", hello.records(of: 1), name("www.example.org")),
        Row("records of 100 bytes", hello.postQuantum().records(of: 100), name("www.example.org")),
        Row("early data behind it", hello.records() + [20, 3, 3, 0, 1, 1, 23, 3, 3, 0, 2, 1, 2], name("www.example.org")),
        Row("no session", Self.without(session: true).records(), name("www.example.org")),

        Row("no extensions", Self.bare.records(), .fault(.noServerName)),
        Row("no server_name", HelloBuilder().with(0x2b, [2, 3, 4]).records(), .fault(.noServerName)),
        Row("an empty list of names", sni([0, 0]), .fault(.noServerName)),
        Row("an empty name", HelloBuilder("").records(), .fault(.emptyName)),
        Row("two names", sni(HelloBuilder.names([Array("a.test".utf8), Array("b.test".utf8)])), .fault(.duplicateServerName)),
        Row("two extensions", hello.with(0, HelloBuilder.names([Array("b.test".utf8)])).records(), .fault(.duplicateServerName)),
        Row(
            "the same extension twice", hello.with(0, HelloBuilder.names([Array("www.example.org".utf8)])).records(),
            .fault(.duplicateServerName)),
        Row("a name of another type", sni(HelloBuilder.names([Array("a.test".utf8)], type: 1)), .fault(.malformedHello)),
        Row("a list shorter than the extension", sni([0, 3, 0, 0, 0, 9]), .fault(.malformedHello)),
        Row("a list longer than the extension", sni([0, 200, 0, 0, 1, 97]), .fault(.malformedHello)),
        Row("an empty extension", sni([]), .fault(.malformedHello)),
        Row("a zero byte", HelloBuilder(bytes: Array("www.example.org".utf8) + [0] + Array(".test".utf8)).records(), .fault(.zeroByte)),
        Row("an IPv4 literal", HelloBuilder("192.0.2.1").records(), .fault(.addressLiteral)),
        Row("an IPv4 literal in one number", HelloBuilder("3221225985").records(), .fault(.addressLiteral)),
        Row("an IPv4 literal in hexadecimal", HelloBuilder("0xc0.0x2").records(), .fault(.addressLiteral)),
        Row("an IPv6 literal", HelloBuilder("2001:db8::1").records(), .fault(.addressLiteral)),
        Row("an IPv6 literal in brackets", HelloBuilder("[2001:db8::1]").records(), .fault(.addressLiteral)),
        Row("a final dot", HelloBuilder("www.example.org.").records(), .fault(.trailingDot)),
        Row("a dot alone", HelloBuilder(".").records(), .fault(.trailingDot)),
        Row("an empty label", HelloBuilder("www..example.org").records(), .fault(.invalidName)),
        Row("a dot first", HelloBuilder(".example.org").records(), .fault(.invalidName)),
        Row("a space", HelloBuilder("www.example.org evil.test").records(), .fault(.invalidName)),
        Row("a slash", HelloBuilder("www.example.org/").records(), .fault(.invalidName)),
        Row("a wildcard", HelloBuilder("*.example.org").records(), .fault(.invalidName)),
        Row("letters outside of ASCII", HelloBuilder("bücher.example").records(), .fault(.invalidName)),
        Row("a label of 64", HelloBuilder(String(repeating: "a", count: 64)).records(), .fault(.nameTooLong)),
        Row("254 bytes", HelloBuilder(String(repeating: "a.", count: 126) + "bb").records(), .fault(.nameTooLong)),

        Row("nothing", [], .needsMore),
        Row("HTTP", Array("GET / HTTP/1.1\r\n".utf8), .fault(.unknownProtocol)),
        Row("a hello of SSL 2", [0x80, 0x2e, 1, 3, 1, 0, 0x15, 0, 0, 0, 0x10], .fault(.sslVersion2)),
        Row("an alert", [21, 3, 1, 0, 2, 2, 40], .fault(.unknownProtocol)),
        Row("a record of version 2", [22, 2, 0, 0, 1], .fault(.malformedRecord)),
        Row("an empty record", [22, 3, 1, 0, 0], .fault(.malformedRecord)),
        Row("a record of 2^14 + 1", [22, 3, 1, 0x40, 1], .fault(.malformedRecord)),
        Row("an alert between two records", Array(hello.records(of: 50).prefix(55)) + [21, 3, 1, 0, 2, 2, 40], .fault(.malformedRecord)),
        Row("a ServerHello", HelloBuilder.records(HelloBuilder.message(2, hello.body)), .fault(.notClientHello)),
        Row("more in the record than the hello", HelloBuilder.records(hello.message + [0]), .fault(.malformedHello)),
        Row("two hellos in a record", HelloBuilder.records(hello.message + HelloBuilder("b.test").message), .fault(.malformedHello)),
        Row("a hello that is too large", [22, 3, 1, 0, 4, 1, 0, 0x80, 0], .fault(.tooLarge)),
        Row("a session of 33 bytes", Self.with(sessionBytes: 33).records(), .fault(.malformedHello)),
        Row("half a suite", Self.with(suites: [1, 2, 3]).records(), .fault(.malformedHello)),
        Row("no suite", Self.with(suites: []).records(), .fault(.malformedHello)),
        Row("bytes behind the extensions", HelloBuilder.records(HelloBuilder.message(1, hello.body + [0])), .fault(.malformedHello)),
        Row(
            "an extension that is cut", HelloBuilder.records(HelloBuilder.message(1, Self.bare.body + [0, 5, 0, 0, 0, 9, 1])),
            .fault(.malformedHello)),
        Row("a body of nothing", HelloBuilder.records(HelloBuilder.message(1, [])), .fault(.malformedHello)),
        Row("SSL 3 inside", HelloBuilder.records(HelloBuilder.message(1, [2, 0] + hello.body.dropFirst(2))), .fault(.malformedHello)),
    ]

    static let bare: HelloBuilder = {
        var hello = HelloBuilder()
        hello.hasExtensions = false
        return hello
    }()

    static func without(session: Bool) -> HelloBuilder { with(sessionBytes: 0) }

    static func with(sessionBytes count: Int) -> HelloBuilder {
        var hello = hello
        hello.sessionID = [UInt8](repeating: 1, count: count)
        return hello
    }

    static func with(suites: [UInt8]) -> HelloBuilder {
        var hello = hello
        hello.suites = suites
        return hello
    }

    @Test(arguments: rows)
    func `a hello tells its name or what is wrong with it`(row: Row) {
        #expect(ClientHelloReader.read(row.bytes.span) == row.reading)
    }

    @Test(arguments: rows)
    func `what was told is told by every longer piece, and by no shorter one something else`(row: Row) {
        var told = NameReading.needsMore
        for count in 0...row.bytes.count {
            let reading = ClientHelloReader.read(row.bytes.span.extracting(first: count))
            if told == .needsMore { told = reading }
            #expect(reading == told, "\(count) bytes")
        }
        #expect(told == row.reading)
    }

    @Test func `a hello is larger than one segment with post-quantum keys`() {
        #expect(Self.hello.postQuantum().records().count > 1_700)
    }

    @Test func `every fault has a label of its own`() {
        let labels = NameFault.allCases.map(\.label)
        #expect(Set(labels).count == labels.count)
        #expect(labels.allSatisfy { $0.allSatisfy { $0.isLowercase || $0.isNumber || $0 == "_" } })
        #expect(NameFault.allCases.map { Int($0.rawValue) } == Array(0..<labels.count))
    }
}
