import CNetfilter
import NetworkTypes

/// Flows that were admitted by a name that is still to be seen, and flows of QUIC whose name was good.
extension Ruleset.Builder {
    mutating func names() {
        // The first SYN, as the sequence numbers begin with it (one sent once the responder has answered begins nothing, whatever number it
        // bears), and what ends a connection, so that it need not be remembered. URG without payload takes a byte out of the stream.
        for (direction, flags, state, comment) in [
            (UInt8(0), UInt8(0x02), Expression.state(Ruleset.new), "SYN"), (0, 0x25, [], "FIN, RST, URG"), (1, 0x04, [], "RST"),
        ] {
            rule(
                "pending", Expression.direction(direction), Expression.isProtocol(Ruleset.tcp), state,
                Expression.masked(
                    .loadPayload(base: NFT_PAYLOAD_TRANSPORT_HEADER.rawValue, offset: 13, count: 1, into: 1), byte: flags),
                [.verdict(.goto("hello"))], comment: comment)
        }
        rule(
            "pending", Expression.isIPv4, Expression.isProtocol(Ruleset.tcp),
            Expression.payload(NFT_PAYLOAD_NETWORK_HEADER, 0, equals: [0x45]), [.verdict(.jump("bare4"))])
        rule(
            "pending", Expression.isIPv6, Expression.payload(NFT_PAYLOAD_NETWORK_HEADER, 6, equals: [Ruleset.tcp]),
            [.verdict(.jump("bare6"))])
        rule("pending", [.verdict(.goto("hello"))])
        // No arithmetic here: one rule for each length of the TCP header. With time stamps it is 8 words, and 10 in a SYN.
        for words: UInt8 in [8, 10, 5, 6, 7, 9, 11, 12, 13, 14, 15] {
            for (chain, offset, length) in [("bare4", 2, 20 + UInt16(words) * 4), ("bare6", 4, UInt16(words) * 4)] {
                rule(
                    chain, Expression.payload(NFT_PAYLOAD_NETWORK_HEADER, UInt32(offset), equals: Expression.big(length)),
                    [
                        .loadPayload(base: NFT_PAYLOAD_TRANSPORT_HEADER.rawValue, offset: 12, count: 1, into: 1),
                        .bitwise(register: 1, mask: [0xf0], xor: [0]),
                        .compare(NFT_CMP_EQ.rawValue, register: 1, [words << 4]), .verdict(.accept),
                    ], comment: words == 8 ? "no payload" : nil)
            }
        }

        rule("checked", Expression.direction(1), [.verdict(.accept)])
        // Segments of an aggregate (GSO) are as long as its first, and the Initial packets of a client fill 1,200 bytes (RFC 9000 §14.1): none lies
        // behind a short header within this length.
        for (family, offset) in [(IPFamily.v4, UInt32(2)), (.v6, 4)] {
            rule(
                "checked", isFamily(family), Expression.isProtocol(Ruleset.udp),
                [
                    .loadPayload(base: NFT_PAYLOAD_NETWORK_HEADER.rawValue, offset: offset, count: 2, into: 1),
                    .compare(NFT_CMP_LTE.rawValue, register: 1, Expression.big(1_500)),
                ],
                Expression.masked(
                    .loadPayload(base: NFT_PAYLOAD_TRANSPORT_HEADER.rawValue, offset: 8, count: 1, into: 1), byte: 0x80, isSet: false),
                [.verdict(.accept)], comment: family == .v4 ? "a short header" : nil)
        }
        if configuration.helloLimit != nil { rule("checked", [.verdict(.jump("hello_rate"))]) }
        rule("checked", Expression.setPacketMark(clear: mask, set: mark.deposit(mark.redecideOriginal)))
        rule("checked", [queueExpression(configuration.helloQueues)])

        if let limit = configuration.helloLimit {
            limitHellos(limit)
            rule("hello", [.verdict(.jump("hello_rate"))])
        }
        rule("hello", Expression.direction(0), Expression.setPacketMark(clear: mask, set: mark.deposit(mark.hello)))
        rule("hello", Expression.direction(1), Expression.setPacketMark(clear: mask, set: mark.deposit(mark.newReply)))
        rule("hello", [queueExpression(configuration.helloQueues)])
    }

    /// SYN without ACK, of TCP.
    var isOpening: [Expression] {
        [
            .loadPayload(base: NFT_PAYLOAD_TRANSPORT_HEADER.rawValue, offset: 13, count: 1, into: 1),
            .bitwise(register: 1, mask: [0x12], xor: [0]), .compare(NFT_CMP_EQ.rawValue, register: 1, [0x02]),
        ]
    }

    var asksForName: [Expression] { Expression.packetMark(mark.foreignBits, NFT_CMP_EQ, mark.observedBits) }

    var asksForNameAndLease: [Expression] { Expression.packetMark(mark.foreignBits, NFT_CMP_EQ, mark.observedLeaseBits) }
}
