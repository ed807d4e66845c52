import DomainNames
import Testing

@Suite struct DomainPatternTests {
    struct Match: CustomTestStringConvertible {
        let dialect: PatternDialect
        let pattern: String
        let matching: [String]
        let other: [String]
        var testDescription: String { "\(dialect) \(pattern)" }
    }

    /// docs.tigera.io, Calico Enterprise, "Use domain names in policy": one `*`, a whole label, for one or more labels.
    static let calico: [Match] = [
        Match(
            dialect: .calico, pattern: "example.org",
            matching: ["example.org", "EXAMPLE.ORG", "example.org."],
            other: ["www.example.org", "org", "example.net", "notexample.org", "example.org.test", ".", "example\\.org"]),
        Match(
            dialect: .calico, pattern: "*.example.org",
            matching: [
                "www.example.org", "a.b.example.org", "a.b.c.d.e.example.org", "*.example.org", "example.org.example.org",
                "\\000.example.org",
            ],
            other: ["example.org", "wwwexample.org", "www.example.net", "a\\.example.org", "org", ".", "www.example.org.test"]),
        Match(
            dialect: .calico, pattern: "www.*.org",
            matching: ["www.example.org", "www.a.b.org", "WWW.www.ORG", "www.www.www.org"],
            other: [
                "www.org", "example.org", "mirror.www.example.org", "www.example.net", "a.b.org", "xwww.example.org", "www\\.x.org", "org",
            ]),
        Match(
            dialect: .calico, pattern: "update.*.example.org",
            matching: ["update.tools.example.org", "update.a.b.example.org", "update.update.example.org"],
            other: [
                "update.example.org", "tools.example.org", "a.update.tools.example.org", "update.tools.example.net", "update.tools.org",
            ]),
        Match(
            dialect: .calico, pattern: "a.b.*.c.test",
            matching: ["a.b.x.c.test", "a.b.a.b.c.test", "a.b.c.c.test", "a.b.a.b.x.c.test"],
            other: ["a.b.c.test", "b.x.c.test", "a.x.c.test", "x.b.y.c.test", "b.a.x.c.test", "a.c.b.x.c.test", "a\\.b.x.c.test"]),
        Match(dialect: .calico, pattern: "*.org", matching: ["a.org", "a.b.org"], other: ["org", "."]),
        Match(dialect: .calico, pattern: "org", matching: ["org"], other: ["a.org", "."]),
        Match(dialect: .calico, pattern: "_sip._tcp.example.org", matching: ["_SIP._tcp.example.org"], other: ["sip.tcp.example.org"]),
        Match(dialect: .calico, pattern: "*.Example.ORG.", matching: ["www.example.org"], other: ["example.org"]),
    ]

    /// network-policy-api, `DomainName` of ClusterNetworkPolicy.
    static let kubernetes: [Match] = [
        Match(
            dialect: .kubernetes, pattern: "example.org", matching: ["example.org"], other: ["www.example.org", "my-example.org", "org"]),
        Match(
            dialect: .kubernetes, pattern: "*.example.org",
            matching: ["www.example.org", "latest.blog.example.org"],
            other: ["example.org", "my-example.org", "www.example.net"]),
        Match(dialect: .kubernetes, pattern: "foo_bar.Example.org.", matching: ["foo_bar.example.org"], other: ["example.org"]),
    ]

    /// OVN-Kubernetes, EgressFirewall, `dnsName`.
    static let ovn: [Match] = [
        Match(dialect: .ovn, pattern: "example.org", matching: ["example.org"], other: ["www.example.org", "org"]),
        Match(
            dialect: .ovn, pattern: "*.example.org",
            matching: ["www.example.org", "WWW.EXAMPLE.ORG"],
            other: ["a.www.example.org", "example.org", "www.example.net", "org", "."]),
    ]

    @Test(arguments: calico + kubernetes + ovn)
    func `a pattern matches what its dialect documents`(_ row: Match) throws {
        let pattern = try DomainPattern(parsing: row.pattern, dialect: row.dialect)
        for text in row.matching { #expect(pattern.matches(try DomainName(parsing: text)), "\(text)") }
        for text in row.other { #expect(!pattern.matches(try DomainName(parsing: text)), "\(text)") }
        #expect(pattern.isExact == !row.pattern.contains("*"))
    }

    @Test(arguments: calico + kubernetes + ovn)
    func `the trie of one pattern says the same`(_ row: Match) throws {
        var builder = DomainTrie.Builder()
        builder.insert(try DomainPattern(parsing: row.pattern, dialect: row.dialect), number: 7)
        let trie = builder.freeze()
        for text in row.matching { #expect(trie.numbers(matching: try DomainName(parsing: text)) == [7], "\(text)") }
        for text in row.other { #expect(trie.numbers(matching: try DomainName(parsing: text)).isEmpty, "\(text)") }
    }

    @Test(arguments: calico + kubernetes + ovn)
    func `a pattern is written in lower case without the final dot, and reads back`(_ row: Match) throws {
        let pattern = try DomainPattern(parsing: row.pattern, dialect: row.dialect)
        let expected = row.pattern.lowercased()
        #expect(pattern.description == (expected.hasSuffix(".") ? String(expected.dropLast()) : expected))
        #expect(try DomainPattern(parsing: pattern.description, dialect: row.dialect) == pattern)
    }

    struct Refusal: CustomTestStringConvertible {
        let dialect: PatternDialect
        let text: String
        let offset: Int
        let reason: String
        let hint: String?
        var testDescription: String { "\(dialect) \(text)" }

        init(_ dialect: PatternDialect, _ text: String, at offset: Int, _ reason: String, hint: String? = nil) {
            self.dialect = dialect
            self.text = text
            self.offset = offset
            self.reason = reason
            self.hint = hint
        }
    }

    @Test(arguments: [
        // Wildcards that no dialect has.
        Refusal(.calico, "www.g*.org", at: 4, "whole label", hint: "*.example.org"),
        Refusal(.calico, "*ple.org", at: 0, "whole label", hint: "*.example.org"),
        Refusal(.calico, "**.example.org", at: 0, "whole label", hint: "*.example.org"),
        Refusal(.calico, "*.*.example.org", at: 2, "only one"),
        Refusal(.calico, "*.example.*.org", at: 10, "only one"),
        Refusal(.calico, "www.example.*", at: 12, "last label", hint: "every owner"),
        Refusal(.calico, "*", at: 0, "last label", hint: "every owner"),
        Refusal(.calico, "*.", at: 0, "last label", hint: "every owner"),
        Refusal(.kubernetes, "foo.*.org", at: 4, "first label"),
        Refusal(.kubernetes, "*foo.org", at: 0, "whole label"),
        Refusal(.ovn, "foo.*.org", at: 4, "first label"),
        Refusal(.ovn, "*", at: 0, "last label"),
        Refusal(.kubernetes, "org", at: 0, "two labels"),
        Refusal(.kubernetes, "*.org", at: 0, "two labels"),
        // What is no name.
        Refusal(.calico, "", at: 0, "empty"),
        Refusal(.calico, ".", at: 0, "root"),
        Refusal(.calico, ".example.org", at: 0, "a label is empty", hint: "dot at the start"),
        Refusal(.calico, "a..example.org", at: 2, "a label is empty", hint: "two dots"),
        Refusal(.calico, "example.org..", at: 12, "a label is empty", hint: "two dots"),
        Refusal(.calico, "https://example.org", at: 0, "URL", hint: "ports"),
        Refusal(.calico, "example.org:443", at: 11, "\":\"", hint: "ports"),
        Refusal(.calico, "example.org/path", at: 11, "\"/\"", hint: "paths"),
        Refusal(.calico, "192.0.2.0/24", at: 9, "\"/\"", hint: "nets"),
        Refusal(.calico, "2001:db8::1", at: 4, "\":\"", hint: "nets"),
        Refusal(.calico, "192.0.2.1", at: 0, "address", hint: "nets"),
        Refusal(.calico, "192.0.2.1.", at: 0, "address", hint: "nets"),
        Refusal(.calico, "bücher.example", at: 1, "ASCII", hint: "xn--"),
        Refusal(.calico, "exa mple.org", at: 3, "white space"),
        Refusal(.calico, "example.org\n", at: 11, "control"),
        Refusal(.calico, "a\\.b.org", at: 1, "\"\\\""),
        Refusal(.calico, "[.example.org", at: 0, "\"[\""),
        Refusal(.calico, "a?.example.org", at: 1, "\"?\""),
        Refusal(.calico, "-a.example.org", at: 0, "\"-\""),
        Refusal(.calico, "a.b-.example.org", at: 2, "\"-\""),
        // Limits; the offset is that of the 64th byte, also behind a wildcard.
        Refusal(.calico, String(repeating: "a", count: 64) + ".org", at: 63, "63"),
        Refusal(.calico, "*." + String(repeating: "a", count: 64) + ".org", at: 65, "63"),
        Refusal(.calico, "b.*." + String(repeating: "a", count: 64) + ".org", at: 67, "63"),
        Refusal(.calico, String(repeating: "a", count: 64) + ".*.org", at: 63, "63"),
        // The shortest name that fits has a byte in place of the star.
        Refusal(.calico, "*." + Array(repeating: "a", count: 127).joined(separator: "."), at: 255, "255"),
        Refusal(.cilium, "example.org", at: 0, "not supported", hint: "projectcalico.org/v3"),
    ])
    func `a text that would not mean what its author meant is refused, with a place and often a hint`(_ row: Refusal) {
        let error = #expect(throws: DomainPatternError.self) { try DomainPattern(parsing: row.text, dialect: row.dialect) }
        guard let error else { return }
        #expect(error.offset == row.offset)
        #expect(error.reason.contains(row.reason), "\(error.reason)")
        if let hint = row.hint { #expect(error.hint?.contains(hint) == true, "\(error)") }
        #expect(error.description.contains(error.reason))
    }

    @Test func `a wildcard pattern may be as long as the shortest name that fits it`() throws {
        let tail = Array(repeating: "a", count: 126).joined(separator: ".")
        let pattern = try DomainPattern(parsing: "*.\(tail)", dialect: .calico)
        #expect(pattern.matches(try DomainName(parsing: "b.\(tail)")))
        #expect(!pattern.matches(try DomainName(parsing: tail)))
        let half = Array(repeating: "a", count: 63).joined(separator: ".")
        let middle = try DomainPattern(parsing: "\(half).*.\(half)", dialect: .calico)
        #expect(middle.matches(try DomainName(parsing: "\(half).b.\(half)")))
    }
}

extension DomainTrie {
    func numbers(matching name: DomainName) -> [UInt32] {
        var numbers: [UInt32] = []
        appendNumbers(matching: name, to: &numbers)
        return numbers
    }
}
