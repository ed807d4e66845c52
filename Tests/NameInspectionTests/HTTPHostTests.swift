import NameInspection
import Testing

struct HTTPHostTests {
    typealias Row = ClientHelloTests.Row

    static func head(_ lines: String...) -> [UInt8] { lines.flatMap { Array($0.utf8) + [13, 10] } + [13, 10] }

    private static let found = name("www.example.org", .http)

    static let rows: [Row] = [
        Row("a request", head("GET / HTTP/1.1", "Host: www.example.org"), found),
        Row("letter case and spaces do not count", head("GET / HTTP/1.1", "hOST: \t WWW.example.ORG  "), found),
        Row("no space", head("GET / HTTP/1.1", "Host:www.example.org"), found),
        Row("a port", head("GET / HTTP/1.1", "Host: www.example.org:8080"), found),
        Row("a final dot", head("GET / HTTP/1.1", "Host: www.example.org."), found),
        Row("behind others", head("POST /a?b HTTP/1.1", "Accept: */*", "X-Forwarded-Host: b.test", "Host: www.example.org", "A: b"), found),
        Row("with a body", head("PUT /x HTTP/1.1", "Host: www.example.org") + Array("Host: b.test\r\n\r\n".utf8), found),
        Row("HTTP/1.0", head("GET / HTTP/1.0", "Host: www.example.org"), found),
        Row("asterisk form", head("OPTIONS * HTTP/1.1", "Host: www.example.org"), found),
        Row("absolute form", head("GET http://www.example.org/a HTTP/1.1", "Host: www.example.org"), found),
        Row("absolute form with a port", head("GET HTTP://WWW.example.org:80?a HTTP/1.1", "Host: www.example.org"), found),
        Row("absolute form alone", head("GET https://www.example.org HTTP/1.0"), found),
        Row("CONNECT", head("CONNECT www.example.org:443 HTTP/1.1", "Host: www.example.org:443"), found),
        Row("bytes above ASCII in a value", head("GET / HTTP/1.1", "A: é", "Host: www.example.org"), found),
        Row("a field without a value", head("GET / HTTP/1.1", "A:", "Host: www.example.org"), found),

        Row("absolute form with another host", head("GET http://b.test/ HTTP/1.1", "Host: www.example.org"), .fault(.hostMismatch)),
        Row("CONNECT with another host", head("CONNECT b.test:443 HTTP/1.1", "Host: www.example.org"), .fault(.hostMismatch)),
        Row("two hosts", head("GET / HTTP/1.1", "Host: www.example.org", "Host: b.test"), .fault(.duplicateHost)),
        Row("the same host twice", head("GET / HTTP/1.1", "Host: www.example.org", "host: www.example.org"), .fault(.duplicateHost)),
        Row("no host", head("GET / HTTP/1.1", "Accept: */*"), .fault(.noHost)),
        Row("an empty host", head("GET / HTTP/1.1", "Host: "), .fault(.emptyName)),
        Row("a port alone", head("GET / HTTP/1.1", "Host: :80"), .fault(.emptyName)),
        Row("an IPv4 address", head("GET / HTTP/1.1", "Host: 192.0.2.1"), .fault(.addressLiteral)),
        Row("an IPv6 address", head("GET / HTTP/1.1", "Host: [2001:db8::1]:80"), .fault(.addressLiteral)),
        Row("a port that is none", head("GET / HTTP/1.1", "Host: www.example.org:8o"), .fault(.invalidName)),
        Row("a user", head("GET / HTTP/1.1", "Host: www.example.org@b.test"), .fault(.invalidName)),
        Row("a user in the target", head("GET http://www.example.org@b.test/ HTTP/1.1", "Host: www.example.org"), .fault(.invalidName)),
        Row("two names in one host", head("GET / HTTP/1.1", "Host: www.example.org, b.test"), .fault(.invalidName)),
        Row("a folded line", head("GET / HTTP/1.1", "A: b", " Host: b.test", "Host: www.example.org"), .fault(.foldedHeader)),
        Row("a folded host", head("GET / HTTP/1.1", "Host:", "\tb.test"), .fault(.foldedHeader)),
        Row("a space in front of the colon", head("GET / HTTP/1.1", "Host : www.example.org"), .fault(.malformedRequest)),
        Row("a line without a colon", head("GET / HTTP/1.1", "Host www.example.org"), .fault(.malformedRequest)),
        Row("a line feed alone", Array("GET / HTTP/1.1\nHost: b.test\n\n".utf8), .fault(.malformedRequest)),
        Row("a line feed alone within", Array("GET / HTTP/1.1\r\nA: b\nHost: b.test\r\n\r\n".utf8), .fault(.malformedRequest)),
        Row("a carriage return alone", Array("GET / HTTP/1.1\r\nA: b\rHost: b.test\r\n\r\n".utf8), .fault(.malformedRequest)),
        Row("a zero byte", head("GET / HTTP/1.1", "Host: www.example.org\0.test"), .fault(.malformedRequest)),
        Row("HTTP/0.9", head("GET /"), .fault(.malformedRequest)),
        Row("HTTP/3", head("GET / HTTP/3.0", "Host: www.example.org"), .fault(.malformedRequest)),
        Row("two spaces", head("GET  / HTTP/1.1", "Host: www.example.org"), .fault(.malformedRequest)),
        Row("another scheme", head("GET ftp://www.example.org/ HTTP/1.1", "Host: www.example.org"), .fault(.malformedRequest)),
        Row("HTTP/2", Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8), .fault(.http2PriorKnowledge)),
        Row("SSH", Array("SSH-2.0-OpenSSH_9.2\r\n".utf8), .fault(.malformedRequest)),
        Row("a request that is not complete", Array("GET / HTTP/1.1\r\nHost: www.example.org\r\n".utf8), .needsMore),
    ]

    @Test(arguments: rows)
    func `a request tells its host or what is wrong with it`(row: Row) {
        #expect(HTTPHostReader.read(row.bytes.span) == row.reading)
    }

    @Test(arguments: rows)
    func `what was told is told by every longer piece, and by no shorter one something else`(row: Row) {
        var told = NameReading.needsMore
        for count in 0...row.bytes.count {
            let reading = HTTPHostReader.read(row.bytes.span.extracting(first: count))
            if told == .needsMore { told = reading }
            #expect(reading == told, "\(count) bytes")
        }
        #expect(told == row.reading)
    }
}
