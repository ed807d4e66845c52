import DomainNames
import Testing

@Suite struct DomainNameTests {
    @Test(arguments: [
        "example.org", "EXAMPLE.ORG", "example.org.", "eXaMpLe.OrG.", "\\101xample.org", "\\069xample.org", "\\e\\xample.org",
    ])
    func `case, a final dot and escapes make no difference`(_ text: String) throws {
        let name = try DomainName(parsing: text)
        #expect(name == (try DomainName(parsing: "example.org")))
        #expect(name.hashValue == (try DomainName(parsing: "example.org")).hashValue)
        #expect(name.description == "example.org")
        #expect(name.labelCount == 2)
    }

    @Test func `labels are kept root first and sent leaf first`() throws {
        let name = try DomainName(parsing: "www.Ex.org")
        #expect(name.rootFirst == [3] + Array("org".utf8) + [2] + Array("ex".utf8) + [3] + Array("www".utf8))
        #expect(name.wire == [3] + Array("www".utf8) + [2] + Array("ex".utf8) + [3] + Array("org".utf8) + [0])
    }

    @Test func `the root is one dot, no labels and one byte on the wire`() throws {
        let root = try DomainName(parsing: ".")
        #expect(root.rootFirst.isEmpty)
        #expect(root.wire == [0])
        #expect(root.labelCount == 0)
        #expect(root.description == ".")
        #expect(try DomainName(wire: ([0] as [UInt8]).span) == root)
    }

    struct Escape: CustomTestStringConvertible {
        let text: String
        let label: [UInt8]
        let description: String
        var testDescription: String { text }
    }

    /// RFC 1035 §5.1.
    @Test(arguments: [
        Escape(text: "a\\.b.org", label: Array("a.b".utf8), description: "a\\.b.org"),
        Escape(text: "a\\046b.org", label: Array("a.b".utf8), description: "a\\.b.org"),
        Escape(text: "a\\\\b.org", label: Array("a\\b".utf8), description: "a\\\\b.org"),
        Escape(text: "a\\032b.org", label: Array("a b".utf8), description: "a\\032b.org"),
        Escape(text: "a\\ b.org", label: Array("a b".utf8), description: "a\\032b.org"),
        Escape(text: "\\000.org", label: [0], description: "\\000.org"),
        Escape(text: "\\255.org", label: [255], description: "\\255.org"),
        Escape(text: "\\065.org", label: Array("a".utf8), description: "a.org"),
        Escape(text: "\\196.org", label: [196], description: "\\196.org"),
        Escape(text: "\\*.org", label: Array("*".utf8), description: "*.org"),
        Escape(text: "\\0650.org", label: Array("a0".utf8), description: "a0.org"),
        Escape(text: "_sip.org", label: Array("_sip".utf8), description: "_sip.org"),
        Escape(text: "a@b.org", label: Array("a@b".utf8), description: "a@b.org"),
    ])
    func `an escape is one byte of its label, whatever it means elsewhere`(_ row: Escape) throws {
        let name = try DomainName(parsing: row.text)
        #expect(name.wire == [UInt8(row.label.count)] + row.label + [3] + Array("org".utf8) + [0])
        #expect(name.labelCount == 2)
        #expect(name.description == row.description)
        #expect(try DomainName(parsing: row.description) == name)
    }

    struct Refusal: CustomTestStringConvertible {
        let text: String
        let reason: DomainNameError.Reason
        let offset: Int
        var testDescription: String { text }
    }

    @Test(arguments: [
        Refusal(text: "", reason: .empty, offset: 0),
        Refusal(text: "..", reason: .emptyLabel, offset: 0),
        Refusal(text: ".org", reason: .emptyLabel, offset: 0),
        Refusal(text: "a..org", reason: .emptyLabel, offset: 2),
        Refusal(text: "a.org..", reason: .emptyLabel, offset: 6),
        Refusal(text: "a b.org", reason: .controlCharacter, offset: 1),
        Refusal(text: " a.org", reason: .controlCharacter, offset: 0),
        Refusal(text: "a.org\n", reason: .controlCharacter, offset: 5),
        Refusal(text: "a\u{0}.org", reason: .controlCharacter, offset: 1),
        Refusal(text: "a\u{7f}.org", reason: .controlCharacter, offset: 1),
        Refusal(text: "a.\u{3002}org", reason: .emptyLabel, offset: 2),
        Refusal(text: "a\\é.org", reason: .badEscape, offset: 1),
        Refusal(text: "\\065é.org", reason: .notASCII, offset: 4),
        Refusal(text: "a.é\\065.org", reason: .notASCII, offset: 2),
        Refusal(text: "a.😀.org", reason: .notInternational, offset: 2),
        Refusal(text: "ü_.org", reason: .notInternational, offset: 0),
        Refusal(text: "ü" + String(repeating: "a", count: 60), reason: .labelTooLong, offset: 0),
        Refusal(text: "a\\", reason: .badEscape, offset: 1),
        Refusal(text: "a\\1", reason: .badEscape, offset: 1),
        Refusal(text: "a\\12", reason: .badEscape, offset: 1),
        Refusal(text: "a\\12x.org", reason: .badEscape, offset: 1),
        Refusal(text: "a\\256.org", reason: .badEscape, offset: 1),
        Refusal(text: "a\\999.org", reason: .badEscape, offset: 1),
    ])
    func `what is no name is refused where it goes wrong`(_ row: Refusal) {
        #expect(throws: DomainNameError(row.reason, offset: row.offset)) { try DomainName(parsing: row.text) }
    }

    @Test func `a label has 63 bytes at most`() throws {
        let most = String(repeating: "a", count: 63)
        #expect(try DomainName(parsing: "\(most).org").labelCount == 2)
        #expect(throws: DomainNameError(.labelTooLong, offset: 67)) { try DomainName(parsing: "org.\(most)a.org") }
        // 63 escaped bytes are 252 characters.
        #expect(try DomainName(parsing: String(repeating: "\\097", count: 63)) == DomainName(parsing: most))

        let longest: [UInt8] = [63] + [UInt8](repeating: 0x61, count: 63) + [0]
        #expect(try DomainName(wire: longest.span).labelCount == 1)
        let tooLong: [UInt8] = [64] + [UInt8](repeating: 0x61, count: 64) + [0]
        #expect(throws: DomainNameError(.labelTooLong, offset: 0)) { try DomainName(wire: tooLong.span) }
        #expect(throws: DomainNameError(.labelTooLong, offset: 0)) { try DomainName(rootFirst: [64] + [UInt8](repeating: 0x61, count: 64)) }
    }

    struct Length: CustomTestStringConvertible {
        let labels: [Int]
        let wireBytes: Int
        var testDescription: String { "\(labels.count) labels, \(wireBytes) bytes" }
    }

    @Test(arguments: [
        Length(labels: [63, 63, 63, 60], wireBytes: 254),
        Length(labels: [63, 63, 63, 61], wireBytes: 255),
        Length(labels: [63, 63, 63, 62], wireBytes: 256),
        Length(labels: [63, 63, 63, 63], wireBytes: 257),
        Length(labels: Array(repeating: 1, count: 127), wireBytes: 255),
        Length(labels: Array(repeating: 1, count: 128), wireBytes: 257),
    ])
    func `a name has 255 bytes at most, its zero byte included`(_ row: Length) throws {
        let text = row.labels.map { String(repeating: "a", count: $0) }.joined(separator: ".")
        let wire: [UInt8] = row.labels.flatMap { [UInt8($0)] + [UInt8](repeating: 0x61, count: $0) } + [0]
        #expect(wire.count == row.wireBytes)
        if row.wireBytes <= 255 {
            let name = try DomainName(parsing: text)
            #expect(name.wire == wire)
            #expect(name.labelCount == row.labels.count)
            #expect(try DomainName(wire: wire.span) == name)
            #expect(try DomainName(rootFirst: name.rootFirst) == name)
        } else {
            #expect(throws: DomainNameError(.tooLong, offset: text.utf8.count)) { try DomainName(parsing: text) }
            #expect(throws: DomainNameError.self) { try DomainName(wire: wire.span) }
            #expect(throws: DomainNameError.self) { try DomainName(rootFirst: wire.dropLast()) }
        }
    }

    struct WireRefusal: CustomTestStringConvertible {
        let bytes: [UInt8]
        let reason: DomainNameError.Reason
        var testDescription: String { "\(bytes)" }
    }

    @Test(arguments: [
        WireRefusal(bytes: [], reason: .truncated),
        WireRefusal(bytes: [1], reason: .truncated),
        WireRefusal(bytes: [1, 0x61], reason: .truncated),
        WireRefusal(bytes: [3, 0x61, 0x62, 0], reason: .truncated),
        WireRefusal(bytes: [63, 0], reason: .truncated),
        WireRefusal(bytes: [0, 0], reason: .trailingBytes),
        WireRefusal(bytes: [1, 0x61, 0, 1, 0x62, 0], reason: .trailingBytes),
        // Compression pointers and the two reserved kinds of label (RFC 1035 §4.1.4).
        WireRefusal(bytes: [0xc0, 0], reason: .labelTooLong),
        WireRefusal(bytes: [1, 0x61, 0xc0, 0], reason: .labelTooLong),
        WireRefusal(bytes: [0x40, 0], reason: .labelTooLong),
        WireRefusal(bytes: [0x80, 0], reason: .labelTooLong),
    ])
    func `wire bytes that are not one whole name are refused`(_ row: WireRefusal) {
        let error = #expect(throws: DomainNameError.self) { try DomainName(wire: row.bytes.span) }
        #expect(error?.reason == row.reason)
    }

    @Test(arguments: [
        WireRefusal(bytes: [0], reason: .emptyLabel),
        WireRefusal(bytes: [1, 0x61, 0], reason: .emptyLabel),
        WireRefusal(bytes: [1], reason: .truncated),
        WireRefusal(bytes: [2, 0x61], reason: .truncated),
        WireRefusal(bytes: [0xc0, 0x0c], reason: .labelTooLong),
        WireRefusal(bytes: [1, 0x41], reason: .notFolded),
        WireRefusal(bytes: [UInt8](repeating: 1, count: 255), reason: .tooLong),
    ])
    func `stored bytes that this type did not give are refused`(_ row: WireRefusal) {
        let error = #expect(throws: DomainNameError.self) { try DomainName(rootFirst: row.bytes) }
        #expect(error?.reason == row.reason)
    }

    @Test func `only the 26 letters of ASCII have case`() throws {
        for byte in UInt8.min...UInt8.max {
            let wire: [UInt8] = [2, byte, 0x78, 0]
            let name = try DomainName(wire: wire.span)
            let folded = (0x41...0x5a).contains(byte) ? byte + 0x20 : byte
            #expect(name.wire == [2, folded, 0x78, 0])
            #expect(try DomainName(parsing: name.description) == name, "\(name)")
        }
    }

    @Test func `random names come back from the wire, from storage and from text`() throws {
        var generator = SeededGenerator(for: "names")
        for _ in 0..<20_000 {
            var wire: [UInt8] = []
            while true {
                let count = Int.random(in: 1...(Bool.random(using: &generator) ? 8 : 63), using: &generator)
                guard wire.count + count + 2 <= DomainName.wireBytesMax else { break }
                wire.append(UInt8(count))
                for _ in 0..<count { wire.append(.random(in: .min ... .max, using: &generator)) }
                if Int.random(in: 0..<4, using: &generator) == 0 { break }
            }
            wire.append(0)
            let name = try DomainName(wire: wire.span)
            #expect(try DomainName(wire: name.wire.span) == name)
            #expect(try DomainName(rootFirst: name.rootFirst) == name)
            #expect(try DomainName(parsing: name.description) == name, "\(name)")
            #expect(name.wire.count == wire.count)
            #expect(name.isSubdomain(of: name))
            // Every cut is an error, none is a shorter name.
            let cut = Int.random(in: 0..<wire.count, using: &generator)
            #expect(throws: DomainNameError.self) { try DomainName(wire: Array(wire[..<cut]).span) }
        }
    }

    @Test func `names are ordered by labels from the root, as RFC 4034 §6.1 shows`() throws {
        let inOrder = try [
            ".", "example", "a.example", "yljkjljk.a.example", "Z.a.example", "zABC.a.EXAMPLE", "z.example", "\\001.z.example",
            "*.z.example",
            "\\200.z.example", "example-1", "org",
        ].map { try DomainName(parsing: $0) }
        #expect(inOrder.reversed().sorted() == inOrder)
        for (index, name) in inOrder.enumerated() {
            for (other, second) in inOrder.enumerated() { #expect((name < second) == (index < other), "\(name) \(second)") }
        }
    }

    struct Ancestry: CustomTestStringConvertible {
        let name: String
        let ancestor: String
        let isBelow: Bool
        var testDescription: String { "\(name) below \(ancestor)" }
    }

    @Test(arguments: [
        Ancestry(name: "example.org", ancestor: "example.org", isBelow: true),
        Ancestry(name: "a.b.example.org", ancestor: "EXAMPLE.org", isBelow: true),
        Ancestry(name: "example.org", ancestor: ".", isBelow: true),
        Ancestry(name: ".", ancestor: ".", isBelow: true),
        Ancestry(name: ".", ancestor: "org", isBelow: false),
        Ancestry(name: "org", ancestor: "example.org", isBelow: false),
        Ancestry(name: "notexample.org", ancestor: "example.org", isBelow: false),
        Ancestry(name: "example.org.test", ancestor: "example.org", isBelow: false),
        Ancestry(name: "a\\.example.org", ancestor: "example.org", isBelow: false),
        Ancestry(name: "www.example.net", ancestor: "example.org", isBelow: false),
    ])
    func `a subdomain ends in all labels of its ancestor`(_ row: Ancestry) throws {
        #expect(try DomainName(parsing: row.name).isSubdomain(of: DomainName(parsing: row.ancestor)) == row.isBelow)
    }
}
