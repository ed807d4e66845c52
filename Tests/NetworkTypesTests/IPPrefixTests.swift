import NetworkTypes
import Testing

@Suite struct IPPrefixTests {
    struct Form: CustomTestStringConvertible {
        let text: String
        let canonical: String
        var testDescription: String { text }
    }

    @Test(arguments: [
        Form(text: "192.0.2.0/24", canonical: "192.0.2.0/24"),
        Form(text: "192.0.2.77/24", canonical: "192.0.2.0/24"),
        Form(text: "192.0.2.77/31", canonical: "192.0.2.76/31"),
        Form(text: "192.0.2.77/32", canonical: "192.0.2.77/32"),
        Form(text: "192.0.2.77", canonical: "192.0.2.77/32"),
        Form(text: "203.0.113.9/0", canonical: "0.0.0.0/0"),
        Form(text: "203.0.113.9/1", canonical: "128.0.0.0/1"),
        Form(text: "2001:db8::/32", canonical: "2001:db8::/32"),
        Form(text: "2001:DB8:1:2:3:4:5:6/64", canonical: "2001:db8:1:2::/64"),
        Form(text: "2001:db8:1:2:ffff::/65", canonical: "2001:db8:1:2:8000::/65"),
        Form(text: "2001:db8:1:2:ffff::/63", canonical: "2001:db8:1:2::/63"),
        Form(text: "2001:db8::1/128", canonical: "2001:db8::1/128"),
        Form(text: "2001:db8::1", canonical: "2001:db8::1/128"),
        Form(text: "2001:db8::1/0", canonical: "::/0"),
        Form(text: "::ffff:192.0.2.1/96", canonical: "::ffff:0.0.0.0/96"),
    ])
    func `a prefix is read and its host bits are cleared`(_ form: Form) throws {
        let prefix = try #require(IPPrefix(parsing: form.text))
        #expect(prefix.description == form.canonical)
        #expect(IPPrefix(parsing: form.canonical) == prefix)
    }

    @Test(arguments: [
        "", "/", "/24", "192.0.2.0/", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/+8", "192.0.2.0/024", "192.0.2.0/00", "192.0.2.0/ 24",
        "192.0.2.0 /24", "192.0.2.0/24/", "192.0.2.0/24/24", "192.0.2.0/255.255.255.0", "192.0.2/24", "192.0.2.0/a", "192.0.2.0/256",
        "192.0.2.0/1000", "192.0.2.0/２４", "2001:db8::/129", "2001:db8::/1280", "2001:db8/32", "fe80::1%eth0/64", "any", "example.org/24",
    ])
    func `what is no prefix is refused`(_ text: String) { #expect(IPPrefix(parsing: text) == nil) }

    @Test func `lengths out of range for the family are refused`() {
        let four = IPAddress(v4: 0xc000_0201)
        let six = IPAddress(v6Upper: 0x2001_0db8_0000_0000, lower: 1)
        for length in [-1, 33, 128, .max, .min] { #expect(IPPrefix(four, length: length) == nil, "\(length)") }
        for length in [-1, 129, .max, .min] { #expect(IPPrefix(six, length: length) == nil, "\(length)") }
        for length in 0...32 { #expect(IPPrefix(four, length: length)?.length == UInt8(length)) }
        for length in 0...128 { #expect(IPPrefix(six, length: length)?.length == UInt8(length)) }
    }

    /// For every length: an address that differs in the last bit of the prefix lies outside, one that differs behind it inside.
    @Test(arguments: [IPAddress(v4: 0xc633_64a7), IPAddress(v6Upper: 0x2001_0db8_a5a5_5a5a, lower: 0x0123_4567_89ab_cdef)])
    func `the bits of the prefix decide, and no others`(_ address: IPAddress) throws {
        let bits = address.family.addressBits
        for length in 0...bits {
            let prefix = try #require(IPPrefix(address, length: length))
            #expect(prefix.contains(address))
            for bit in 0..<bits {
                #expect(prefix.contains(address.flipping(bit)) == (bit >= length), "/\(length), bit \(bit)")
            }
        }
    }

    @Test func `a prefix never holds an address of the other family`() throws {
        let everyV4 = try #require(IPPrefix(parsing: "0.0.0.0/0"))
        let everyV6 = try #require(IPPrefix(parsing: "::/0"))
        let mapped = try #require(IPAddress(parsing: "::ffff:192.0.2.1"))
        #expect(!everyV4.contains(mapped))
        #expect(!everyV6.contains(IPAddress(v4: 1)))
        #expect(!everyV4.contains(everyV6))
        #expect(!everyV6.contains(everyV4))
    }

    @Test func `a prefix holds itself and the narrower ones inside`() throws {
        let wide = try #require(IPPrefix(parsing: "192.0.2.0/24"))
        let narrow = try #require(IPPrefix(parsing: "192.0.2.128/25"))
        let other = try #require(IPPrefix(parsing: "198.51.100.0/25"))
        #expect(wide.contains(wide))
        #expect(wide.contains(narrow))
        #expect(!narrow.contains(wide))
        #expect(!wide.contains(other))
        #expect(wide < narrow)
        #expect(try #require(IPPrefix(parsing: "192.0.2.0/23")) < wide)
    }
}

extension IPAddress {
    /// Bit 0 is the first on the wire.
    fileprivate func flipping(_ bit: Int) -> IPAddress {
        switch family {
        case .v4: IPAddress(v4: v4 ^ 1 << UInt32(31 - bit))
        case .v6 where bit < 64: IPAddress(v6Upper: upper ^ 1 << UInt64(63 - bit), lower: lower)
        case .v6: IPAddress(v6Upper: upper, lower: lower ^ 1 << UInt64(127 - bit))
        }
    }
}
