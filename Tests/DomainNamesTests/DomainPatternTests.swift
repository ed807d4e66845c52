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

    /// docs.cilium.io, "DNS based": matchPattern.
    static let cilium: [Match] = [
        Match(
            dialect: .cilium, pattern: "example.org", matching: ["example.org", "EXAMPLE.org."],
            other: ["www.example.org", "org", "."]),
        Match(
            dialect: .cilium, pattern: "*.example.org",
            matching: ["www.example.org", "_sip.example.org", "-.example.org"],
            other: [
                "example.org", "a.b.example.org", "wwwexample.org", "\\000.example.org", "a\\.b.example.org", "\\*.example.org", ".",
            ]),
        Match(
            dialect: .cilium, pattern: "*example.org",
            matching: ["example.org", "myexample.org", "my-example.org", "exampleexample.org"],
            other: ["www.example.org", "example.org.test", "\\200example.org", "org"]),
        Match(
            dialect: .cilium, pattern: "api*.example.org",
            matching: ["api.example.org", "api1.example.org", "api-eu.example.org"],
            other: ["ap.example.org", "xapi.example.org", "api.eu.example.org", "example.org", "api\\ x.example.org"]),
        Match(
            dialect: .cilium, pattern: "api*v*-eu.Example.org.",
            matching: ["apiv-eu.example.org", "api-v1-eu.example.org", "apivv-eu-eu.example.org", "apiv-euv-eu.example.org"],
            other: ["api-eu.example.org", "apiv-us.example.org", "api1-eu.example.org", "apiv-eu1.example.org", "v-eu.example.org"]),
        Match(
            dialect: .cilium, pattern: "aa*aa.org",
            matching: ["aaaa.org", "aaaaa.org", "aabaa.org"], other: ["aa.org", "aaa.org", "aab.org"]),
        Match(
            dialect: .cilium, pattern: "*ab*ab*.org",
            matching: ["abab.org", "xabyabz.org", "aabab.org"], other: ["ab.org", "aba.org", "abxa.org"]),
        Match(
            dialect: .cilium, pattern: "**.example.org",
            matching: ["www.example.org", "a.b.example.org", "_a._b.c.example.org"],
            other: ["example.org", "a.example.net", "\\000.a.example.org", "a.\\000.example.org"]),
        Match(
            dialect: .cilium, pattern: "****.*.example.org",
            matching: ["a.b.example.org", "a.b.c.example.org"], other: ["b.example.org", "example.org"]),
        Match(
            dialect: .cilium, pattern: "**.api*.org",
            matching: ["a.api.org", "a.b.api1.org"], other: ["api.org", "a.ap.org", "api.example.org"]),
        // Stars in a row are one unless they are the first label.
        Match(
            dialect: .cilium, pattern: "www.**.org",
            matching: ["www.a.org"], other: ["www.a.b.org", "www.org", "a.b.org"]),
        Match(
            dialect: .cilium, pattern: "a**.example.org",
            matching: ["a.example.org", "ab.example.org"], other: ["a.b.example.org", "b.example.org"]),
        Match(
            dialect: .cilium, pattern: "*.*.*middle.*",
            matching: ["a.b.cmiddle.org", "a.b.middle.org"], other: ["b.cmiddle.org", "a.b.cmiddle.example.org", "a.b.middlec.org"]),
        Match(dialect: .cilium, pattern: "*", matching: [".", "org", "a.b.example.org"], other: ["\\000.org", "a\\.b.org"]),
        Match(dialect: .cilium, pattern: "**.", matching: [".", "org", "a.b.example.org"], other: ["a\\032b.org"]),
        Match(dialect: .cilium, pattern: ".", matching: ["."], other: ["org"]),
        Match(dialect: .cilium, pattern: "-a.example-.org", matching: ["-a.example-.org"], other: ["a.example.org"]),
    ]

    /// docs.cilium.io, "DNS based": matchName.
    static let ciliumName: [Match] = [
        Match(
            dialect: .ciliumName, pattern: "_sip.Example.org.",
            matching: ["_sip.example.org"], other: ["example.org", "a._sip.example.org"])
    ]

    /// istio.io, "Service Entry": `hosts`.
    static let istio: [Match] = [
        Match(dialect: .istio, pattern: "api.example.org", matching: ["api.example.org"], other: ["example.org", "a.api.example.org"]),
        Match(
            dialect: .istio, pattern: "*.example.org",
            matching: ["www.example.org", "a.b.example.org"], other: ["example.org", "www.example.net"]),
        Match(dialect: .istio, pattern: "*.org", matching: ["example.org", "a.example.org"], other: ["org"]),
    ]

    /// antrea.io, "Antrea Network Policy": `fqdn`.
    static let antrea: [Match] = [
        Match(
            dialect: .antrea, pattern: "*example.org",
            matching: ["example.org", "myexample.org", "a.example.org", "a.b.myexample.org"], other: ["example.org.test", "ample.org"]),
        Match(
            dialect: .antrea, pattern: "*.example.org",
            matching: ["www.example.org", "a.b.example.org"], other: ["example.org", "wwwexample.org"]),
        Match(dialect: .antrea, pattern: "*", matching: [".", "org", "a.example.org"], other: []),
    ]

    /// docs.tigera.io, "Domain names", the note on Inline mode.
    static let inline: [Match] = [
        Match(dialect: .calicoInline, pattern: "*.example.org", matching: ["a.b.example.org"], other: ["example.org"])
    ]

    static let all = calico + kubernetes + ovn + cilium + ciliumName + istio + antrea + inline

    @Test(arguments: all)
    func `a pattern matches what its dialect documents`(_ row: Match) throws {
        let pattern = try DomainPattern(parsing: row.pattern, dialect: row.dialect)
        for text in row.matching { #expect(pattern.matches(try DomainName(parsing: text)), "\(text)") }
        for text in row.other { #expect(!pattern.matches(try DomainName(parsing: text)), "\(text)") }
        #expect(pattern.isExact == !row.pattern.contains("*"))
    }

    @Test(arguments: all)
    func `the trie of one pattern says the same`(_ row: Match) throws {
        var builder = DomainTrie.Builder()
        builder.insert(try DomainPattern(parsing: row.pattern, dialect: row.dialect), number: 7)
        let trie = builder.freeze()
        for text in row.matching { #expect(trie.numbers(matching: try DomainName(parsing: text)) == [7], "\(text)") }
        for text in row.other { #expect(trie.numbers(matching: try DomainName(parsing: text)).isEmpty, "\(text)") }
    }

    @Test(arguments: calico + kubernetes + istio + inline)
    func `a pattern is written in lower case without the final dot, and reads back`(_ row: Match) throws {
        let pattern = try DomainPattern(parsing: row.pattern, dialect: row.dialect)
        let expected = row.pattern.lowercased()
        #expect(pattern.description == (expected.hasSuffix(".") ? String(expected.dropLast()) : expected))
        #expect(try DomainPattern(parsing: pattern.description, dialect: row.dialect) == pattern)
    }

    struct Meaning: CustomTestStringConvertible {
        let text: String
        let members: [(PatternDialect, String)]
        var testDescription: String { text }
    }

    static let meanings: [Meaning] = [
        Meaning(
            text: "*.example.org",
            members: [
                (.calico, "*.example.org"), (.kubernetes, "*.EXAMPLE.org."), (.istio, "*.example.org"), (.calicoInline, "*.example.org"),
                (.antrea, "*.example.org"),
            ]),
        Meaning(text: "*.example.org [one label]", members: [(.ovn, "*.example.org"), (.ovn, "*.example.ORG.")]),
        Meaning(text: "*.example.org [matchPattern]", members: [(.cilium, "*.example.org")]),
        Meaning(text: "**.example.org [matchPattern]", members: [(.cilium, "**.example.org"), (.cilium, "*****.example.org.")]),
        Meaning(text: "a*b.example.org [matchPattern]", members: [(.cilium, "a*b.example.org"), (.cilium, "A***B.example.org")]),
        Meaning(text: "* [matchPattern]", members: [(.cilium, "*"), (.cilium, "***."), (.cilium, "**")]),
        Meaning(text: "*.* [matchPattern]", members: [(.cilium, "*.*"), (.cilium, "*.**.")]),
        Meaning(text: "**.* [matchPattern]", members: [(.cilium, "**.*")]),
        Meaning(text: "*example.org [any characters]", members: [(.antrea, "*example.org")]),
        Meaning(text: "*example.org [matchPattern]", members: [(.cilium, "*example.org")]),
        Meaning(text: "* [any characters]", members: [(.antrea, "*")]),
        Meaning(text: ".", members: [(.cilium, ".")]),
        Meaning(text: "a.*.example.org", members: [(.calico, "a.*.example.org")]),
        Meaning(text: "a.*.example.org [matchPattern]", members: [(.cilium, "a.*.example.org")]),
        Meaning(
            text: "example.org",
            members: PatternDialect.allCases.map { ($0, "example.org") } + [(.cilium, "Example.ORG."), (.calico, "example\u{3002}org")]),
        Meaning(text: "xn--bcher-kva.example", members: PatternDialect.allCases.map { ($0, "Bücher.example") }),
    ]

    @Test func `patterns are equal, and written alike, if they mean the same, whatever their dialects`() throws {
        var seen: [DomainPattern: String] = [:]
        var table = DomainPatternTable()
        for meaning in Self.meanings {
            for (dialect, text) in meaning.members {
                let pattern = try DomainPattern(parsing: text, dialect: dialect)
                #expect(pattern.description == meaning.text, "\(dialect) \(text)")
                #expect(seen.updateValue(meaning.text, forKey: pattern) ?? meaning.text == meaning.text)
                table.insert(pattern, number: 1)
            }
        }
        #expect(seen.count == Self.meanings.count)
        #expect(table.patternCount == Self.meanings.count)
    }

    @Test func `what Cilium takes although no name is long enough matches nothing, and is known as such`() throws {
        let label = String(repeating: "a", count: 63)
        let texts = [
            Array(repeating: label, count: 4).joined(separator: "."), label + "a.example.org",
            "*." + Array(repeating: "a", count: 127).joined(separator: "."), label + "*a.org",
        ]
        var table = DomainPatternTable()
        for text in texts {
            let pattern = try DomainPattern(parsing: text, dialect: .cilium)
            #expect(pattern.isUnmatchable && !pattern.isExact)
            #expect(pattern.description == text)
            #expect(!pattern.matches(try DomainName(parsing: ".")))
            table.insert(pattern, number: 1)
            #expect(table.id(of: pattern) != nil)
        }
        #expect(table.patternCount == texts.count)
        var found: [UInt32] = []
        table.appendPatterns(matching: try DomainName(parsing: "\(label).example.org"), to: &found)
        #expect(found.isEmpty)
        for text in texts {
            let removed = table.remove(try DomainPattern(parsing: text, dialect: .cilium), number: 1)
            #expect(removed)
        }
        #expect(table.patternCount == 0)
        #expect(throws: DomainPatternError.self) { try DomainPattern(parsing: texts[0] + "a", dialect: .cilium) }
        // The longest glob that a label can fit, and the shortest name that fits a long pattern.
        let most = try DomainPattern(parsing: label + "*.org", dialect: .cilium)
        #expect(most.matches(try DomainName(parsing: label + ".org")))
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
        Refusal(.calico, "example.org/24", at: 11, "\"/\"", hint: "paths"),
        Refusal(.calico, "192.0.2.0/24", at: 0, "prefix", hint: "nets"),
        Refusal(.kubernetes, "2001:db8::/32", at: 0, "prefix", hint: "nets"),
        Refusal(.calico, "2001:db8::1", at: 0, "address", hint: "nets"),
        Refusal(.ovn, "[2001:db8::1]", at: 0, "address", hint: "nets"),
        Refusal(.istio, "[2001:db8::1]:443", at: 0, "address", hint: "nets"),
        Refusal(.cilium, "::ffff:192.0.2.1", at: 0, "address", hint: "nets"),
        Refusal(.calico, "fe80::1%eth0", at: 0, "address", hint: "nets"),
        Refusal(.calico, "192.0.2.1:443", at: 0, "address", hint: "nets"),
        Refusal(.cilium, "192.0.2.1", at: 0, "address", hint: "nets"),
        Refusal(.calico, "user@example.org", at: 4, "\"@\"", hint: "host alone"),
        Refusal(.calico, "192.0.2.1", at: 0, "address", hint: "nets"),
        Refusal(.calico, "192.0.2.1.", at: 0, "address", hint: "nets"),
        // Offsets count characters; the second label begins behind seven of them.
        Refusal(.calico, "bücher.😀.example", at: 7, "IDNA2008"),
        Refusal(.calico, "bücher.a b.example", at: 8, "white space"),
        Refusal(.calico, "bü_cher.example", at: 0, "letters, digits"),
        Refusal(.cilium, "bü*.example", at: 0, "within a label", hint: "xn--"),
        Refusal(.calico, "ü\u{ff0f}a.example", at: 0, "letters, digits"),
        Refusal(.calico, "-ü.example", at: 0, "\"-\""),
        Refusal(.calico, "\u{301}a.example", at: 0, "combining"),
        Refusal(.calico, "a\u{200d}b.example", at: 0, "joiner"),
        Refusal(.calico, "\u{661}a.example", at: 0, "right to left"),
        Refusal(.calico, "xn--.example", at: 0, "Punycode"),
        Refusal(.kubernetes, "a.xn--99999999.example", at: 2, "Punycode"),
        Refusal(.calico, "a.xn--abc-.example", at: 2, "Punycode"),
        Refusal(.calico, "xn--a.example", at: 0, "Punycode"),
        Refusal(.calico, "ü" + String(repeating: "a", count: 63) + ".example", at: 63, "63"),
        Refusal(.calico, "ü" + String(repeating: "a", count: 60) + ".example", at: 0, "63"),
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
        // What other dialects do not take.
        Refusal(.ciliumName, "*.example.org", at: 0, "matchName", hint: "matchPattern"),
        Refusal(.ciliumName, "a.b*.example.org", at: 3, "matchName", hint: "matchPattern"),
        Refusal(.ciliumName, ".", at: 0, "root"),
        Refusal(.cilium, "a..example.org", at: 2, "a label is empty"),
        Refusal(.cilium, ".example.org", at: 0, "a label is empty"),
        Refusal(.cilium, "[a-z]*.example.org", at: 0, "\"[\""),
        Refusal(.cilium, "a{1,2}.example.org", at: 1, "\"{\""),
        Refusal(.cilium, " *.example.org", at: 0, "white space"),
        Refusal(.cilium, String(repeating: "*.", count: 128), at: 255, "255"),
        Refusal(.istio, "*", at: 0, "last label", hint: "every owner"),
        Refusal(.istio, "*example.org", at: 0, "whole label"),
        Refusal(.istio, "a.*.example.org", at: 2, "first label"),
        Refusal(.istio, "a.my_host.example.org", at: 4, "\"_\""),
        Refusal(.istio, "host.123", at: 5, "number"),
        Refusal(.calicoInline, "www.*.org", at: 4, "first label", hint: "Inline"),
        Refusal(.antrea, "a*.example.org", at: 1, "beginning"),
        Refusal(.antrea, "*a*.example.org", at: 2, "beginning"),
        Refusal(.antrea, "a.*.example.org", at: 2, "beginning"),
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
