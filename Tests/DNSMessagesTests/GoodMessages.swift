import Testing

/// Answers as servers give them, each with what is to be learned.
struct GoodMessage: Sendable, CustomTestStringConvertible {
    let title: String
    let bytes: [UInt8]
    var addresses: [String] = []
    var chainLength = 0
    var minimumTTL: UInt32? = 300
    var cacheTTL: UInt32? = 300

    var testDescription: String { title }

    static let all: [GoodMessage] = [
        GoodMessage(title: "one address", bytes: MessageBuilder.response().a().bytes, addresses: ["192.0.2.1"]),
        GoodMessage(
            title: "25 addresses and an OPT record",
            bytes: (1...25).reduce(MessageBuilder.response()) { $0.a(MessageBuilder.pointer(12), UInt8($1)) }.opt().bytes,
            addresses: (1...25).map { "192.0.2.\($0)" }),
        GoodMessage(
            title: "AAAA",
            bytes: MessageBuilder.response(type: 28)
                .adding(28, ttl: 60, [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]).bytes,
            addresses: ["2001:db8::9"], minimumTTL: 60, cacheTTL: 60),
        GoodMessage(
            title: "a CNAME, the case differing",
            bytes: MessageBuilder.response("wWw.example.ORG").cname("www.EXAMPLE.org", "cdn.example.NET", ttl: 20)
                .a(MessageBuilder.wire("CDN.example.net")).bytes,
            addresses: ["192.0.2.1"], chainLength: 1, minimumTTL: 20, cacheTTL: 20),
        GoodMessage(title: "a chain of 16", bytes: chain(16).bytes, addresses: ["192.0.2.1"], chainLength: 16),
        GoodMessage(
            title: "a chain whose records stand in reverse order",
            bytes: MessageBuilder.response().a(MessageBuilder.wire("c.example.net")).cname("b.example.net", "c.example.net")
                .cname("www.example.org", "b.example.net").bytes,
            addresses: ["192.0.2.1"], chainLength: 2),
        GoodMessage(
            title: "a DNAME and its CNAME", bytes: dname(target: "www.example.net").bytes, addresses: ["192.0.2.1"], chainLength: 1),
        GoodMessage(
            title: "HTTPS with hints",
            bytes: MessageBuilder.response(type: 65).adding(65, MessageBuilder.httpsData).bytes,
            addresses: ["192.0.2.7", "2001:db8::7"]),
        GoodMessage(
            title: "HTTPS in AliasMode teaches nothing",
            bytes: MessageBuilder.response(type: 65).adding(65, [0, 0] + MessageBuilder.wire("pool.example.net")).bytes),
        GoodMessage(
            title: "ANY",
            bytes: MessageBuilder.response(type: 255).a().adding(28, [0x20, 0x01, 0x0d, 0xb8] + Array(repeating: 0, count: 12))
                .adding(16, [3, 0x61, 0x62, 0x63]).bytes,
            addresses: ["192.0.2.1", "2001:db8::"]),
        GoodMessage(
            title: "NODATA", bytes: MessageBuilder.response().soa().bytes, minimumTTL: nil, cacheTTL: 60),
        GoodMessage(
            title: "NODATA at the end of a chain",
            bytes: MessageBuilder.response().cname("www.example.org", "cdn.example.net", ttl: 30).soa("example.net", ttl: 40).bytes,
            chainLength: 1, minimumTTL: 30, cacheTTL: 30),
        GoodMessage(
            title: "NXDOMAIN, the SOA record's own TTL being less",
            bytes: MessageBuilder.response(flags: 0x8183).soa(ttl: 10).bytes, minimumTTL: nil, cacheTTL: 10),
        GoodMessage(title: "NXDOMAIN without SOA", bytes: MessageBuilder.response(flags: 0x8183).bytes, minimumTTL: nil, cacheTTL: nil),
        GoodMessage(
            title: "NODATA with the SOA record of another zone", bytes: MessageBuilder.response().soa("example.net").bytes,
            minimumTTL: nil, cacheTTL: nil),
        GoodMessage(title: "SERVFAIL", bytes: MessageBuilder.response(flags: 0x8182).bytes, minimumTTL: nil, cacheTTL: nil),
        GoodMessage(
            title: "signed, DO",
            bytes: MessageBuilder.response(flags: 0x81a0).a().rrsig(covering: 1, ttl: 200).opt(ttl: 0x8000).bytes,
            addresses: ["192.0.2.1"], minimumTTL: 200, cacheTTL: 200),
        GoodMessage(
            title: "a signed CNAME",
            bytes: MessageBuilder.response().cname("www.example.org", "cdn.example.net").rrsig(covering: 5)
                .a(MessageBuilder.wire("cdn.example.net")).bytes,
            addresses: ["192.0.2.1"], chainLength: 1),
        GoodMessage(
            title: "glue in the additional section is not learned",
            bytes: MessageBuilder.response().a().adding(.authority, "example.org", 2, MessageBuilder.wire("ns.example.org"))
                .adding(.additional, "ns.example.org", 1, [198, 51, 100, 53]).opt(options: [0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]).bytes,
            addresses: ["192.0.2.1"]),
        GoodMessage(
            title: "a TTL with the top bit is 0", bytes: MessageBuilder.response().a(ttl: .max).bytes, addresses: ["192.0.2.1"],
            minimumTTL: 0, cacheTTL: 0),
        GoodMessage(title: "truncated", bytes: MessageBuilder.response(flags: 0x8380).bytes, minimumTTL: nil, cacheTTL: nil),
        GoodMessage(
            title: "labels that hold dots and NUL",
            bytes: MessageBuilder(flags: 0x8180, name: [3, 0x61, 0x2e, 0x62, 1, 0, 0], type: 1).a().bytes, addresses: ["192.0.2.1"]),
        GoodMessage(
            title: "MX, TXT, SRV pass without teaching",
            bytes: MessageBuilder.response(type: 255).adding(15, [0, 10] + MessageBuilder.pointer(12)).adding(16, [2, 0x68, 0x69, 0])
                .adding(33, [0, 0, 0, 0, 1, 187] + MessageBuilder.wire("srv.example.org")).bytes),
    ]

    static func chain(_ links: Int) -> MessageBuilder {
        let names = ["www.example.org"] + (1...links).map { "n\($0).example.net" }
        let aliases = zip(names, names.dropFirst()).reduce(MessageBuilder.response()) { $0.cname($1.0, $1.1) }
        return aliases.a(MessageBuilder.wire("n\(links).example.net"))
    }

    static func dname(target: String) -> MessageBuilder {
        MessageBuilder.response().adding("example.org", 39, MessageBuilder.wire("example.net")).cname("www.example.org", target)
            .a(MessageBuilder.wire(target))
    }
}
