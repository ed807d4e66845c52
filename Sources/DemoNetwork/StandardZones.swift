/// The names of the lab's internet. Addresses are of RFC 5737 and RFC 3849.
public enum StandardZones {
    /// Zone name -> records without SOA and NS.
    public static let records: [String: String] = [
        "example.org": exampleOrg, "example.net": exampleNet, "example.test": exampleTest,
    ]

    private static let exampleOrg = """
        api       300 A     192.0.2.10
        api       300 AAAA  2001:db8::10
        six       300 AAAA  2001:db8::66
        short       2 A     192.0.2.30
        short       2 AAAA  2001:db8::30
        echo      300 A     192.0.2.7
        echo      300 AAAA  2001:db8::7
        slow      300 A     192.0.2.40
        www       300 CNAME edge.cdn.example.net.
        chain     300 CNAME chain.example.net.
        one       300 CNAME two
        two       300 CNAME three
        three     300 CNAME four
        four      300 CNAME api
        loop-a    300 CNAME loop-b
        loop-b    300 CNAME loop-a
        *.wild    300 A     192.0.2.50
        text      300 TXT   "no address here"
        mail      300 MX    10 api
        ; addresses that an answer from outside must not yield
        loopback  300 A     127.0.0.1
        private   300 A     10.0.0.1
        metadata  300 A     169.254.169.254
        mapped    300 AAAA  ::ffff:10.0.0.1
        mixed     300 A     192.0.2.60
        mixed     300 A     10.0.0.2
        """
        // 40 addresses need more than 512 bytes, 200 more than 1,232.
        + addresses(of: "*.many", count: 24, prefix: "198.18.3.")
        + addresses(of: "big", count: 40, prefix: "198.18.1.") + addresses(of: "huge", count: 200, prefix: "198.18.2.")

    private static let exampleNet = """
        a.cdn      300 A     198.51.100.11
        a.cdn      300 AAAA  2001:db8:1::11
        b.cdn      300 A     198.51.100.12
        b.cdn      300 AAAA  2001:db8:1::12
        deep.x.cdn 300 A     198.51.100.13
        edge.cdn   300 A     198.51.100.20
        edge.cdn   300 AAAA  2001:db8:1::20
        shared     300 A     203.0.113.80
        chain      300 CNAME chain.example.test.
        """

    private static let exampleTest = """
        files      300 A     203.0.113.10
        files      300 AAAA  2001:db8:2::10
        evil       300 A     203.0.113.66
        evil       300 AAAA  2001:db8:2::66
        neighbour  300 A     203.0.113.80
        chain      300 A     203.0.113.90
        """

    private static func addresses(of name: String, count: Int, prefix: String) -> String {
        (1...count).map { "\n\(name) 300 A \(prefix)\($0)" }.joined()
    }

    /// A whole zone file: SOA with `serial`, NS, then the records. Negative answers may be kept for 5 s (RFC 2308 §4).
    static func file(zone: String, records: String, serial: UInt32) -> String {
        """
        $ORIGIN \(zone == "." ? "." : zone + ".")
        $TTL 300
        @ 300 IN SOA ns hostmaster \(serial) 3600 600 86400 5
        @ 300 IN NS ns
        ns 300 IN A 192.0.2.53
        ns 300 IN AAAA 2001:db8::53
        \(records)

        """
    }
}
