import Enforcement
import NetworkTypes
import Testing

struct RebindingGuardTests {
    @Test(arguments: [
        "0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.1", "127.255.255.255",
        "169.254.169.254",
        "172.16.0.0", "172.31.255.255", "192.168.0.0", "192.168.255.255", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
        "::", "::1", "fc00::1", "fdff::1", "fe80::1", "febf::1", "ff02::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254",
        "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "64:ff9b:1:ffff::1",
    ])
    func `an outside name may not point inside`(text: String) throws {
        let rebinding = RebindingGuard()
        #expect(rebinding.refuses(try domain("www.example.org"), [address(text)]))
        #expect(rebinding.refuses(try domain("www.example.org"), [address("192.0.2.1"), address(text)]))
        #expect(!RebindingGuard(isEnabled: false).refuses(try domain("www.example.org"), [address(text)]))
    }

    @Test(arguments: [
        "1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "223.255.255.255", "192.0.2.1", "2001:db8::1", "fbff::1",
        "2001:db8::a00:1",
        "::ffff:192.0.2.1", "64:ff9b::192.0.2.1",
    ])
    func `an outside name may point outside`(text: String) throws {
        #expect(!RebindingGuard().refuses(try domain("www.example.org"), [address(text)]))
    }

    @Test(arguments: [
        ("db.corp.example", false), ("corp.example", false), ("CORP.example", false), ("xcorp.example", true), ("corp.example.org", true),
    ])
    func `names in exempt zones may point anywhere`(row: (String, Bool)) throws {
        let rebinding = RebindingGuard(exemptZones: [try domain("corp.example"), try domain("cluster.local")])
        #expect(rebinding.refuses(try domain(row.0), [address("10.0.0.1")]) == row.1)
    }

    @Test(arguments: [("10.1.2.3", false), ("10.2.0.0", true), ("192.168.0.1", true), ("fd00:1::1", false), ("fd00:2::1", true)])
    func `permitted prefixes may be pointed at`(row: (String, Bool)) throws {
        let permitted = [IPPrefix(parsing: "10.1.0.0/16"), IPPrefix(parsing: "fd00:1::/32")].compactMap(\.self)
        let rebinding = RebindingGuard(permitted: permitted)
        #expect(rebinding.refuses(try domain("www.example.org"), [address(row.0)]) == row.1)
        // One that is permitted does not excuse the next one.
        #expect(rebinding.refuses(try domain("www.example.org"), [address("10.1.2.3"), address("10.9.0.1")]))
    }
}
