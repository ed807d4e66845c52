import DomainNames
import Testing

@Suite struct DomainDestinationTests {
    struct Row: CustomTestStringConvertible {
        let text: String
        let pattern: String
        let port: UInt16?
        var testDescription: String { text }
    }

    @Test(arguments: [
        Row(text: "api.example.org", pattern: "api.example.org", port: nil),
        Row(text: "*.example.org", pattern: "*.example.org", port: nil),
        Row(text: "https://api.example.org", pattern: "api.example.org", port: 443),
        Row(text: "https://api.example.org/", pattern: "api.example.org", port: 443),
        Row(text: "https://api.example.org/*", pattern: "api.example.org", port: 443),
        Row(text: "HTTPS://API.example.org./*", pattern: "api.example.org", port: 443),
        Row(text: "http://api.example.org", pattern: "api.example.org", port: 80),
        Row(text: "http://*.example.org/*", pattern: "*.example.org", port: 80),
        Row(text: "https://api.example.org:8443", pattern: "api.example.org", port: 8443),
        Row(text: "https://api.example.org:8443/*", pattern: "api.example.org", port: 8443),
        Row(text: "http://api.example.org:65535/", pattern: "api.example.org", port: 65535),
        Row(text: "https://update.*.example.org", pattern: "update.*.example.org", port: 443),
        Row(text: "https://bücher.example/*", pattern: "xn--bcher-kva.example", port: 443),
    ])
    func `a URL is a host and its TCP port, a name is any port`(_ row: Row) throws {
        let (pattern, ports) = try DomainDestination.parse(row.text, dialect: .calico)
        #expect(pattern == (try DomainPattern(parsing: row.pattern, dialect: .calico)))
        #expect(ports?.port == row.port)
        #expect(try DomainDestination(parsing: row.text, dialect: .calico) == DomainDestination(pattern: pattern, ports: ports))
        #expect(ports.map(\.description) == row.port.map { "TCP \($0)" })
    }

    @Test func `the host of a URL is read in the dialect of its resource`() throws {
        let (pattern, ports) = try DomainDestination.parse("https://api*.example.org/*", dialect: .cilium)
        #expect(pattern == (try DomainPattern(parsing: "api*.example.org", dialect: .cilium)))
        #expect(ports == PortLimit(port: 443))
        #expect(throws: DomainPatternError.self) { try DomainDestination.parse("https://api*.example.org/*", dialect: .calico) }
    }

    struct Refusal: CustomTestStringConvertible {
        let text: String
        let offset: Int
        let reason: String
        let hint: String
        var testDescription: String { text }
    }

    @Test(arguments: [
        Refusal(text: "https://example.org/v1", offset: 19, reason: "path", hint: "behind the host"),
        Refusal(text: "https://example.org/v1/*", offset: 19, reason: "path", hint: "behind the host"),
        Refusal(text: "https://example.org//", offset: 19, reason: "path", hint: "behind the host"),
        Refusal(text: "https://example.org/**", offset: 19, reason: "path", hint: "behind the host"),
        Refusal(text: "https://example.org\\v1", offset: 19, reason: "path", hint: "behind the host"),
        Refusal(text: "https://bücher.example/v1", offset: 22, reason: "path", hint: "behind the host"),
        Refusal(text: "https://user@example.org/", offset: 12, reason: "user name", hint: "inside TLS"),
        Refusal(text: "https://user:secret@example.org/", offset: 19, reason: "user name", hint: "inside TLS"),
        Refusal(text: "https://example.org?q=1", offset: 19, reason: "query", hint: "inside TLS"),
        Refusal(text: "https://example.org/*?q=1", offset: 21, reason: "query", hint: "inside TLS"),
        Refusal(text: "https://example.org/#top", offset: 20, reason: "fragment", hint: "inside TLS"),
        Refusal(text: "ftp://example.org", offset: 0, reason: "\"ftp\"", hint: "ports"),
        Refusal(text: "wss://example.org", offset: 0, reason: "\"wss\"", hint: "ports"),
        Refusal(text: "://example.org", offset: 0, reason: "no scheme", hint: "https://"),
        Refusal(text: String(repeating: "a", count: 5000) + "://example.org", offset: 0, reason: "this scheme", hint: "ports"),
        Refusal(text: "https://", offset: 8, reason: "no host", hint: ""),
        Refusal(text: "https:///", offset: 8, reason: "no host", hint: ""),
        Refusal(text: "https://:443", offset: 8, reason: "empty", hint: ""),
        Refusal(text: "https://192.0.2.1/", offset: 8, reason: "address", hint: "nets"),
        Refusal(text: "https://192.0.2.1:8443/", offset: 8, reason: "address", hint: "nets"),
        Refusal(text: "https://[2001:db8::1]/", offset: 8, reason: "address", hint: "nets"),
        Refusal(text: "https://[2001:db8::1]:443/*", offset: 8, reason: "address", hint: "nets"),
        Refusal(text: "https://example.org:", offset: 20, reason: "65535", hint: ""),
        Refusal(text: "https://example.org:0", offset: 20, reason: "65535", hint: ""),
        Refusal(text: "https://example.org:65536", offset: 20, reason: "65535", hint: ""),
        Refusal(text: "https://example.org:https", offset: 20, reason: "65535", hint: ""),
        Refusal(text: "https://example.org:+443", offset: 20, reason: "65535", hint: ""),
        Refusal(text: "https://example.org:443:443", offset: 20, reason: "65535", hint: ""),
        // Of the host, counted from the beginning of the URL.
        Refusal(text: "https://a..example.org/", offset: 10, reason: "empty", hint: "two dots"),
        Refusal(text: "https://example.*/", offset: 16, reason: "last label", hint: "every owner"),
        Refusal(text: "https://exa mple.org", offset: 11, reason: "white space", hint: ""),
        // Without a scheme it is no URL.
        Refusal(text: "example.org/*", offset: 11, reason: "\"/\"", hint: "paths"),
        Refusal(text: "//example.org", offset: 0, reason: "\"/\"", hint: "paths"),
        Refusal(text: "example.org:443", offset: 11, reason: "\":\"", hint: "ports go under ports"),
        Refusal(text: "192.0.2.0/24", offset: 0, reason: "prefix", hint: "addresses go under nets"),
    ])
    func `what a URL cannot mean here is refused, with place, reason and hint`(_ row: Refusal) {
        let error = #expect(throws: DomainPatternError.self) { try DomainDestination.parse(row.text, dialect: .calico) }
        guard let error else { return }
        #expect(error.offset == row.offset)
        #expect(error.reason.contains(row.reason), "\(error)")
        if !row.hint.isEmpty { #expect(error.hint?.contains(row.hint) == true, "\(error)") }
    }
}
