import NetworkTypes
import Testing

@Suite struct IPAddressTests {
    @Test(arguments: [
        "0.0.0.0", "192.0.2.1", "203.0.113.255", "::", "2001:db8::1", "::ffff:192.0.2.1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ])
    func `network bytes give the address back`(_ text: String) throws {
        let address = try #require(IPAddress(parsing: text))
        let bytes = address.networkBytes
        #expect(bytes.count * 8 == address.family.addressBits)
        #expect(IPAddress(networkBytes: bytes.span) == address)
    }

    @Test func `network bytes are big endian`() throws {
        #expect(try #require(IPAddress(parsing: "192.0.2.1")).networkBytes == [192, 0, 2, 1])
        let six = try #require(IPAddress(parsing: "2001:db8:102:304:506:708:90a:b0c"))
        #expect(six.networkBytes == [0x20, 0x01, 0x0d, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
        #expect(six.upper == 0x2001_0db8_0102_0304)
        #expect(six.lower == 0x0506_0708_090a_0b0c)
    }

    @Test func `only 4 and 16 bytes are an address`() {
        for count in 0...40 {
            let bytes = [UInt8](repeating: 1, count: count)
            #expect((IPAddress(networkBytes: bytes.span) != nil) == (count == 4 || count == 16), "\(count) bytes")
        }
    }

    @Test func `a mapped address stays IPv6 and tells the address inside`() throws {
        let plain = try #require(IPAddress(parsing: "192.0.2.1"))
        let mapped = try #require(IPAddress(parsing: "::ffff:192.0.2.1"))
        #expect(mapped.family == .v6)
        #expect(mapped != plain)
        #expect(mapped.mappedV4 == plain)
        #expect(plain.mappedV4 == nil)
    }

    @Test(arguments: ["::192.0.2.1", "::fffe:c000:201", "1::ffff:192.0.2.1", "::1:ffff:192.0.2.1", "64:ff9b::192.0.2.1", "::"])
    func `other addresses with an IPv4 part are not mapped ones`(_ text: String) throws {
        #expect(try #require(IPAddress(parsing: text)).mappedV4 == nil)
    }

    @Test func `IPv4 comes before IPv6, and within a family the number decides`() throws {
        let inOrder = try [
            "0.0.0.0", "192.0.2.1", "192.0.2.10", "255.255.255.255", "::", "::1", "::ffff:192.0.2.1", "2001:db8::", "2001:db8::1",
        ]
        .map { try #require(IPAddress(parsing: $0)) }
        #expect(inOrder.reversed().sorted() == inOrder)
        for (first, second) in zip(inOrder, inOrder.dropFirst()) {
            #expect(first < second)
            #expect(!(second < first))
        }
    }

    @Test func `an IPv4 address and the IPv6 address of the same number differ`() {
        #expect(IPAddress(v4: 1) != IPAddress(v6Upper: 0, lower: 1))
        #expect(IPAddress(v4: 0xc000_0201).v4 == 0xc000_0201)
    }

    @Test func `endpoint numbers are ordered by their number`() {
        #expect(EndpointID(rawValue: 1) < EndpointID(rawValue: 2))
        #expect(!(EndpointID(rawValue: 2) < EndpointID(rawValue: 2)))
    }
}
