import PolicyModel
import Testing

/// Entries of `domains` and `allowedEgressDomains`.
struct DomainEntryTests {
    private static func rule(_ entries: String, _ more: String = "") -> String {
        policy("types: [Egress]\negress: [{action: Allow\(more), destination: {domains: [\(entries)]}}]")
    }

    @Test(arguments: [
        ("\"https://api.example.org/*\"", "api.example.org", 443), ("\"https://api.example.org\"", "api.example.org", 443),
        ("\"https://api.example.org/\"", "api.example.org", 443), ("\"http://api.example.org/*\"", "api.example.org", 80),
        ("\"HTTPS://API.example.org:8443/*\"", "api.example.org", 8443), ("\"https://*.example.org/*\"", "*.example.org", 443),
    ])
    func `a URL names a host and a port`(entry: String, pattern: String, port: UInt16) throws {
        let loaded = load(Self.rule(entry))
        #expect(loaded.diagnostics.map(\.description) == [])
        let destination = try #require(loaded.resources.policies.first?.egress.first).destination
        #expect(destination.domains.isEmpty)
        #expect(destination.urls.map(\.pattern.description) == [pattern])
        #expect(destination.urls.map(\.port) == [port])
    }

    @Test func `names and URLs may stand in one list, also of a set`() throws {
        let loaded = load(resource("GlobalNetworkSet", "{name: s}", "allowedEgressDomains: [a.example.org, \"https://b.example.org/*\"]"))
        #expect(loaded.diagnostics.map(\.description) == [])
        let set = try #require(loaded.resources.networkSets.first)
        #expect(set.allowedEgressDomains.map(\.description) == ["a.example.org"])
        #expect(set.allowedEgressURLs.map(\.pattern.description) == ["b.example.org"])
    }

    @Test(arguments: [
        "https://api.example.org/v1/*", "https://api.example.org/*?x", "https://api.example.org?x", "https://user@api.example.org/",
        "https://api.example.org:0/", "https://api.example.org:70000/", "https://api.example.org:/", "https://", "https:///*",
        "ftp://api.example.org/*", "://api.example.org", "https://192.0.2.1/*", "https://[2001:db8::1]/*", "https://www.*/*",
        "192.0.2.1", "2001:db8::1", "192.0.2.0/24", "api.example.org:443", "a..example.org", ".example.org", "", "-a.example.org",
        "*", "www.*", "*a.example.org", "*.*.example.org", "a b.example.org",
    ])
    func `what names no host is refused at its place`(entry: String) {
        let found = load(Self.rule("\"\(entry)\"")).diagnostics.filter { $0.severity == .error }
        #expect(found.count == 1)
        #expect(found.first?.field == "spec.egress[0].destination.domains[0]", "\(found)")
    }

    @Test(arguments: [
        (", protocol: TCP", "", true), (", protocol: 6", "", true), ("", "", true), (", protocol: UDP", "", false),
        (", protocol: 17", "", false), (", protocol: TCP", ", ports: [443]", false), (", protocol: TCP", ", notPorts: [80]", false),
    ])
    func `a rule with a URL has no ports and no other protocol`(more: String, ports: String, isValid: Bool) {
        let yaml = policy(
            "types: [Egress]\negress: [{action: Allow\(more), destination: {domains: [\"https://a.example.org/*\"]\(ports)}}]")
        #expect(errors(yaml).isEmpty == isValid, "\(errors(yaml))")
    }

    @Test(arguments: [
        ("b\u{fc}cher.example.org", "xn--bcher-kva.example.org"), ("*.B\u{dc}CHER.example.org", "*.xn--bcher-kva.example.org"),
        ("API.Example.Org.", "api.example.org"), ("xn--bcher-kva.example.org", "xn--bcher-kva.example.org"),
    ])
    func `names are read as A-labels, in lower case`(entry: String, pattern: String) throws {
        let loaded = load(Self.rule("\"\(entry)\""))
        #expect(loaded.diagnostics.map(\.description) == [])
        #expect(try #require(loaded.resources.policies.first?.egress.first).destination.domains.map(\.description) == [pattern])
    }

    /// Source: publicsuffix.org.
    @Test(arguments: [
        ("*.co.uk", "co.uk"), ("*.com", "com"), ("www.*.com", "com"), ("https://*.github.io/*", "github.io"), ("*.example.co.uk", nil),
        ("co.uk", nil), ("*.example.com", nil), ("*.internal", nil as String?),
    ])
    func `a pattern as wide as a public suffix is warned of`(entry: String, suffix: String?) {
        let expected = suffix.map {
            ["spec.egress[0].destination.domains[0]: matches names of every owner: anybody may register one below \($0)"]
        }
        let yaml = Self.rule("\"\(entry)\"")
        #expect(errors(yaml) == [])
        #expect(warnings(yaml) == expected ?? [])
    }
}
