import DomainNames
import Testing

@Suite struct PublicSuffixTests {
    struct Row: CustomTestStringConvertible {
        let dialect: PatternDialect
        let pattern: String
        let suffix: String?
        let section: PublicSuffix.Section?
        var testDescription: String { "\(dialect) \(pattern)" }

        init(_ dialect: PatternDialect, _ pattern: String, _ suffix: String?, _ section: PublicSuffix.Section? = nil) {
            self.dialect = dialect
            self.pattern = pattern
            self.suffix = suffix
            self.section = section
        }
    }

    @Test(arguments: [
        Row(.calico, "*.com", "com", .registry),
        Row(.calico, "*.co.uk", "co.uk", .registry),
        Row(.ovn, "*.org", "org", .registry),
        Row(.calico, "*.github.io", "github.io", .privateOwner),
        Row(.calico, "www.*.com", "com", .registry),
        Row(.cilium, "*", ".", .root),
        Row(.cilium, "**.*", ".", .root),
        Row(.cilium, "example.*", ".", .root),
        Row(.antrea, "*", ".", .root),
        Row(.cilium, "**.co.uk", "co.uk", .registry),
        Row(.cilium, "*.api*.com", "com", .registry),
        Row(.antrea, "*example.com", "com", .registry),
        // Any second label is a suffix there, but for a few.
        Row(.calico, "*.ck", "ck", .registry),
        Row(.calico, "*.foo.ck", "foo.ck", .registry),
        Row(.calico, "*.www.ck", nil),
        Row(.calico, "*.公司.cn", "xn--55qx5d.cn", .registry),
        Row(.calico, "*.example.com", nil),
        Row(.calico, "*.example.github.io", nil),
        Row(.cilium, "api*.example.co.uk", nil),
        Row(.calico, "co.uk", nil),
        Row(.cilium, ".", nil),
        // Not on the list: somebody's own.
        Row(.calico, "*.internal", nil),
        Row(.calico, "*.cluster.local", nil),
        Row(.calico, "*._tcp.com", nil),
    ])
    func `a wildcard right below a public suffix is open to names of every owner`(_ row: Row) throws {
        let pattern = try DomainPattern(parsing: row.pattern, dialect: row.dialect)
        #expect(pattern.openSuffix?.name.description == row.suffix)
        #expect(pattern.openSuffix?.section == row.section)
    }

    @Test func `names that no list can hold are no suffixes`() throws {
        for text in ["\\000.com", "com\\000", "a\\.b", "\\195\\188", "example.org"] {
            #expect(PublicSuffix(try DomainName(parsing: text)) == nil, "\(text)")
        }
        #expect(PublicSuffix(try DomainName(parsing: "COM."))?.name == (try DomainName(parsing: "com")))
    }
}
