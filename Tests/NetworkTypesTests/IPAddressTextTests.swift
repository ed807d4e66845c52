import NetworkTypes
import Testing

/// The text forms of RFC 4291 §2.2 in, the one form of RFC 5952 out.
@Suite struct IPAddressTextTests {
    struct Form: CustomTestStringConvertible {
        let text: String
        let canonical: String
        var testDescription: String { text }
    }

    static let forms: [Form] = [
        Form(text: "0.0.0.0", canonical: "0.0.0.0"),
        Form(text: "192.0.2.1", canonical: "192.0.2.1"),
        Form(text: "255.255.255.255", canonical: "255.255.255.255"),
        Form(text: "::", canonical: "::"),
        Form(text: "::1", canonical: "::1"),
        Form(text: "1::", canonical: "1::"),
        Form(text: "0:0:0:0:0:0:0:0", canonical: "::"),
        Form(text: "0:0:0:0:0:0:0:1", canonical: "::1"),
        // RFC 4291 §2.2
        Form(text: "ABCD:EF01:2345:6789:ABCD:EF01:2345:6789", canonical: "abcd:ef01:2345:6789:abcd:ef01:2345:6789"),
        Form(text: "2001:DB8:0:0:8:800:200C:417A", canonical: "2001:db8::8:800:200c:417a"),
        Form(text: "2001:db8::8:800:200c:417a", canonical: "2001:db8::8:800:200c:417a"),
        Form(text: "FF01:0:0:0:0:0:0:101", canonical: "ff01::101"),
        Form(text: "0:0:0:0:0:FFFF:192.0.2.52", canonical: "::ffff:192.0.2.52"),
        Form(text: "::FFFF:192.0.2.52", canonical: "::ffff:192.0.2.52"),
        Form(text: "::ffff:c000:234", canonical: "::ffff:192.0.2.52"),
        Form(text: "0:0:0:0:0:0:192.0.2.1", canonical: "::c000:201"),
        Form(text: "64:ff9b::192.0.2.33", canonical: "64:ff9b::c000:221"),
        Form(text: "1:2:3:4:5:6:192.0.2.1", canonical: "1:2:3:4:5:6:c000:201"),
        // RFC 5952 §4.1: no leading zeros
        Form(text: "2001:0db8::0001", canonical: "2001:db8::1"),
        Form(text: "2001:db8:0000:0:0:0:0:0001", canonical: "2001:db8::1"),
        // §4.2.1: as short as possible
        Form(text: "2001:db8:0:0:0:0:2:1", canonical: "2001:db8::2:1"),
        Form(text: "2001:db8::0:1", canonical: "2001:db8::1"),
        // §4.2.2: one group of zeros is written out
        Form(text: "2001:db8::1:1:1:1:1", canonical: "2001:db8:0:1:1:1:1:1"),
        Form(text: "2001:db8:0:1:1:1:1:1", canonical: "2001:db8:0:1:1:1:1:1"),
        // §4.2.3: the longest run is shortened, the first of two equal ones
        Form(text: "2001:0:0:1:0:0:0:1", canonical: "2001:0:0:1::1"),
        Form(text: "2001:db8:0:0:1:0:0:1", canonical: "2001:db8::1:0:0:1"),
        // §4.3: lower case
        Form(text: "2001:DB8:AAAA::CCCC", canonical: "2001:db8:aaaa::cccc"),
        // a run at either end, and a gap of one group
        Form(text: "::2:3:4:5:6:7:8", canonical: "0:2:3:4:5:6:7:8"),
        Form(text: "1:2:3:4:5:6:7::", canonical: "1:2:3:4:5:6:7:0"),
        Form(text: "1:0:0:4:5:6:0:0", canonical: "1::4:5:6:0:0"),
    ]

    @Test(arguments: forms)
    func `every form of RFC 4291 reads, and is written as RFC 5952 recommends`(_ form: Form) throws {
        let address = try #require(IPAddress(parsing: form.text))
        #expect(address.description == form.canonical)
        #expect(IPAddress(parsing: form.canonical) == address)
        #expect(address.family == (form.text.contains(":") ? .v6 : .v4))
    }

    static let refused: [String] = [
        "", " ", "192.0.2.1 ", " 192.0.2.1", "192.0.2.1\n",
        // too few, too many, empty
        "192.0.2", "192.0.2.1.5", "192.0.2.", ".192.0.2", "192..0.2", "192.0.2.1.", "3221225985", "0xc0000201",
        // out of range, leading zeros, signs, other digits
        "192.0.2.256", "192.0.2.1000", "192.0.2.01", "192.0.02.1", "00.0.0.0", "010.0.0.1", "+1.2.3.4", "192.0.2.-1", "192.0.2.1a",
        "192.0.2.0x1", "192.0.2.１", "١٩٢.0.2.1",
        // IPv6 counts
        ":", ":1", "1:", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:", ":1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8:", ":1:2:3:4:5:6:7:8",
        // the gap
        ":::", ":::1", "1:::2", "1::2::3", "::1::", "1:2:3:4::5:6:7:8", "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "::1:", ":1::",
        // groups
        "12345::", "::00001", "g::", "2001:db8::-1", "2001:db8::+1", "2001: db8::1", "2001:db8::0x1",
        // dotted tails
        "::192.0.2", "::192.0.2.256", "::192.0.02.1", "192.0.2.1::", "::192.0.2.1:1", "1:2:3:4:5:6:7:192.0.2.1", "1:2:3:4:5:192.0.2.1",
        "1:192.0.2.1::1", "::ffff:192.0.2.1.", "1:2:3:4:5:6::7:192.0.2.1",
        // not addresses alone
        "fe80::1%eth0", "fe80::1%25eth0", "192.0.2.1%eth0", "2001:db8::/32", "192.0.2.0/24", "[2001:db8::1]", "192.0.2.1:80", "localhost",
    ]

    @Test(arguments: refused)
    func `what is not one address alone is refused`(_ text: String) { #expect(IPAddress(parsing: text) == nil) }

    @Test func `every text of up to six characters that matter is refused or read back the same`() {
        let alphabet: [Character] = ["0", "1", "9", "f", ":", ".", "%"]
        var texts = [""]
        for _ in 0..<6 {
            texts = texts.flatMap { text in alphabet.map { text + String($0) } }
            for text in texts {
                guard let address = IPAddress(parsing: text) else { continue }
                #expect(IPAddress(parsing: address.description) == address, "\(text)")
            }
        }
    }

    @Test func `every pattern of zero groups is written with its longest run short, and reads back`() throws {
        for mask in 0..<256 {
            let groups = (0..<8).map { UInt64(mask >> $0 & 1) }
            let upper = groups[..<4].reduce(0) { $0 << 16 | $1 }
            let lower = groups[4...].reduce(0) { $0 << 16 | $1 }
            let address = IPAddress(v6Upper: upper, lower: lower)
            let text = address.description
            #expect(try #require(IPAddress(parsing: text)) == address, "\(text)")
            let runs = groups.split(separator: 1).map(\.count)
            #expect(text.contains("::") == ((runs.max() ?? 0) >= 2), "\(text)")
            if let longest = runs.max(), longest >= 2 {
                #expect(text.split(separator: ":").count == 8 - longest, "\(text)")
            }
        }
    }
}
