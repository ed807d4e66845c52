import DomainNames
import Testing

/// U-labels become A-labels: IDNA2008 (RFC 5891) with the mapping of UTS #46.
@Suite struct InternationalNameTests {
    struct Row: CustomTestStringConvertible {
        let text: String
        let ascii: String
        var testDescription: String { text }
    }

    @Test(arguments: [
        Row(text: "bücher.example", ascii: "xn--bcher-kva.example"),
        Row(text: "BÜCHER.Example.", ascii: "xn--bcher-kva.example"),
        Row(text: "bu\u{308}cher.example", ascii: "xn--bcher-kva.example"),
        // Not transitional: these four have labels of their own in IDNA2008.
        Row(text: "faß.example", ascii: "xn--fa-hia.example"),
        Row(text: "βόλος.example", ascii: "xn--nxasmm1c.example"),
        Row(text: "例え.example", ascii: "xn--r8jz45g.example"),
        Row(text: "www.例え\u{3002}example", ascii: "www.xn--r8jz45g.example"),
        Row(text: "www\u{ff0e}example\u{ff61}org", ascii: "www.example.org"),
        Row(text: "ｅｘａｍｐｌｅ.org", ascii: "example.org"),
        Row(text: "_sip.bücher.example", ascii: "_sip.xn--bcher-kva.example"),
        Row(text: "xn--bcher-kva.example", ascii: "xn--bcher-kva.example"),
        Row(text: "XN--BCHER-KVA.example", ascii: "xn--bcher-kva.example"),
        // Registered under older rules: the A-label leaves no doubt.
        Row(text: "xn--e28h.example", ascii: "xn--e28h.example"),
    ])
    func `names and patterns in letters of any script become what is asked for on the wire`(_ row: Row) throws {
        #expect(try DomainName(parsing: row.text).description == row.ascii)
        for dialect in PatternDialect.allCases where dialect != .istio || !row.text.contains("_") {
            #expect(try DomainPattern(parsing: row.text, dialect: dialect).description == row.ascii)
        }
        let wildcard = try DomainPattern(parsing: "*." + row.text, dialect: .calico)
        #expect(wildcard.description == "*." + row.ascii)
        #expect(wildcard.matches(try DomainName(parsing: "a." + row.text)))
    }

    /// libidn2 leaves out what STD3 forbids if it is asked to apply STD3; a name must not change its meaning so.
    @Test func `no character beside letters outside ASCII is dropped on the way`() throws {
        for scalar in (0x21...0x7e).compactMap(Unicode.Scalar.init) where scalar != "." && scalar != "\\" {
            let isHost = ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar) || ("0"..."9").contains(scalar) || scalar == "-"
            let text = "ü\(scalar)x.example"
            if isHost {
                let name = try DomainName(parsing: text)
                #expect(name.description.contains(String(scalar).lowercased()), "\(text)")
            } else {
                #expect(throws: DomainNameError.self, "\(text)") { try DomainName(parsing: text) }
            }
            // The full-width twin of each is mapped to it first.
            guard let wide = Unicode.Scalar(scalar.value + 0xfee0) else { continue }
            if isHost {
                #expect(try DomainName(parsing: "ü\(wide)x.example") == DomainName(parsing: text))
            } else {
                #expect(throws: DomainNameError.self, "\(wide)") { try DomainName(parsing: "ü\(wide)x.example") }
                #expect(throws: DomainPatternError.self, "\(wide)") { try DomainPattern(parsing: "\(wide)x.example", dialect: .cilium) }
            }
        }
    }

    @Test func `every letter alone is a label of letters, digits and hyphens, or is refused`() throws {
        var accepted = 0
        for value in stride(from: UInt32(0x80), to: 0x11_0000, by: 7) {
            guard let scalar = Unicode.Scalar(value), let name = try? DomainName(parsing: "\(scalar)") else { continue }
            accepted += 1
            let bytes = name.labels.joined()
            #expect(bytes.allSatisfy { $0 == 0x2d || (48...57).contains($0) || (97...122).contains($0) }, "\(name)")
        }
        #expect(accepted > 10_000)
    }
}
