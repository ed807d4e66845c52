import CNetfilter
import NetworkTypes

/// From a packet to a verdict and back: "judge", "decide" and "ask" lead to the queue; "stamp", "admitted", "refuse" and "revoked" are what becomes of
/// a verdict.
extension Ruleset.Builder {
    mutating func judge() {
        // A flow expected by a conntrack module (FTP, SIP) inherits the mark of its master: it is new all the same. Only until its first reply.
        rule(
            "judge",
            Expression.masked(.loadConntrack(NFT_CT_STATUS.rawValue, direction: nil, into: 1), Ruleset.expected, NFT_CMP_NEQ, 0),
            Expression.state(Ruleset.related), Expression.isNotProtocol(Ruleset.icmp), Expression.isNotProtocol(Ruleset.icmpv6),
            Expression.setFlowMark(clear: mask, set: 0), comment: "expected flows are new")
        // Once the responder has reset a connection, or lost it, conntrack takes another one with the same ports for the same flow, mark and all. It is a new
        // one, with a hello of its own. What is refused stays so; of one whose hello is awaited the first number counts.
        rule(
            "judge", Expression.isProtocol(Ruleset.tcp), isOpening, Expression.direction(0), Expression.state(Ruleset.established),
            Expression.flowMark(mask, NFT_CMP_NEQ, 0), Expression.flowMark(mask, NFT_CMP_NEQ, mark.deposit(mark.denied)),
            Expression.flowMark(mask, NFT_CMP_NEQ, mark.deposit(mark.pending)), Expression.setFlowMark(clear: mask, set: 0),
            comment: "a connection in place of another")
        for family: IPFamily in [.v4, .v6] {
            rule("judge", isCurrent(family), [.verdict(.accept)], comment: family == .v4 ? "decided under today's policy" : nil)
        }
        if hasClasses { for family: IPFamily in [.v4, .v6] { rule("judge", isCurrentOfClass(family), [.verdict(.accept)]) } }
        // Audit mode refuses nothing: there such a flow is decided again.
        if configuration.mode == .enforce {
            for family: IPFamily in [.v4, .v6] {
                rule(
                    "judge", Expression.flowMark(mask, NFT_CMP_EQ, mark.deposit(mark.denied)), originalSource(family),
                    isPoliced(family),
                    [.verdict(.goto("revoked"))], comment: family == .v4 ? "refused for good" : nil)
            }
        }
        rule("judge", Expression.state(Ruleset.invalid), [.verdict(.goto("invalid_state"))])
        rule("judge", Expression.state(Ruleset.untracked), [.verdict(.goto("untracked"))])
        rule(
            "judge", Expression.state(Ruleset.new), Expression.isProtocol(Ruleset.tcp),
            Expression.masked(
                .loadPayload(base: NFT_PAYLOAD_TRANSPORT_HEADER.rawValue, offset: 13, count: 1, into: 1), byte: 0x02, isSet: false),
            [.verdict(.jump("midstream"))])
        if configuration.capsConnections {
            for family: IPFamily in [.v4, .v6] {
                rule(
                    "judge", isFamily(family), Expression.state(Ruleset.new), Expression.flowMark(mask, NFT_CMP_EQ, 0),
                    [loadSource(family)],
                    [.lookup(set: ElementSet.capped(family).name, register: Ruleset.lookupRegister, isInverted: false)],
                    deny(.connectionCap), comment: family == .v4 ? "as many flows as it may have" : nil)
            }
        }
        if configuration.connectionLimit != nil { limitConnections() }
        if hasClasses { classJumps() }
        if configuration.hasLeases {
            let isUnmarked = Expression.packetMark(.max, NFT_CMP_EQ, 0) + Expression.flowMark(.max, NFT_CMP_EQ, 0)
            // Only packets without options and extension headers: all others are parsed for every flow.
            rule(
                "judge", Expression.state(Ruleset.new), isUnmarked, Expression.isIPv4,
                Expression.payload(NFT_PAYLOAD_NETWORK_HEADER, 0, equals: [0x45]), [.verdict(.jump("lease"))])
            for number in [Ruleset.tcp, Ruleset.udp, Ruleset.sctp] {
                rule(
                    "judge", Expression.state(Ruleset.new), isUnmarked, Expression.isIPv6,
                    Expression.payload(NFT_PAYLOAD_NETWORK_HEADER, 6, equals: [number]), [.verdict(.jump("lease"))])
            }
        }
        for family: IPFamily in [.v4, .v6] {
            rule("judge", originalSource(family), isPoliced(family), [.verdict(.goto("decide"))])
        }

        for family: IPFamily in [.v4, .v6] {
            rule("invalid_state", source(family), isPoliced(family), deny(.invalidState))
            rule("invalid_state", destination(family), isPoliced(family), deny(.invalidState))
            rule("midstream", source(family), isPoliced(family), [.verdict(.return)])
            rule("midstream", destination(family), isPoliced(family), deny(.midstreamIngress))
        }
        for type: UInt8 in [133, 134, 135, 136, 137] {
            rule("untracked", icmpv6Type(type, hopLimit: 255), [.verdict(.accept)], comment: type == 133 ? "neighbour discovery" : nil)
        }
        for type: UInt8 in [130, 131, 132, 143] {
            // To a group: to one host these would leave with a hop limit of 2.
            rule(
                "untracked", icmpv6Type(type, hopLimit: 1), Expression.payload(NFT_PAYLOAD_NETWORK_HEADER, 24, equals: [0xff]),
                [.verdict(.accept)], comment: type == 130 ? "multicast listener" : nil)
        }
        if hasClasses { untrackedOfClasses() }
        for family: IPFamily in [.v4, .v6] {
            rule(
                "untracked", source(family), isPoliced(family), Expression.setPacketMark(clear: mask, set: mark.deposit(mark.hello)),
                [.verdict(.goto("ask"))], comment: family == .v4 ? "nothing could remember that a name is pending" : nil)
        }
    }

    mutating func decide() {
        let states = [(mark.pending, "pending"), (mark.checkedQUIC, "checked")]
        for (code, _) in states {
            for number in [Ruleset.icmp, Ruleset.icmpv6] {
                rule(
                    "decide", Expression.flowMark(mask, NFT_CMP_EQ, mark.deposit(code)), Expression.direction(1),
                    Expression.state(Ruleset.related), Expression.isProtocol(number), [.verdict(.accept)],
                    comment: "ICMP errors for an endpoint whose name is checked")
            }
        }
        for number in [Ruleset.icmp, Ruleset.icmpv6] {
            rule("decide", Expression.state(Ruleset.related), Expression.isProtocol(number), deny(.relatedDenied), comment: "ICMP errors")
        }
        for (code, chain) in states {
            rule("decide", Expression.flowMark(mask, NFT_CMP_EQ, mark.deposit(code)), [.verdict(.goto(chain))])
        }
        rule(
            "decide", Expression.direction(0), Expression.flowMark(mask, NFT_CMP_NEQ, 0),
            Expression.setPacketMark(clear: mask, set: mark.deposit(mark.redecideOriginal)))
        rule(
            "decide", Expression.direction(1), Expression.flowMark(mask, NFT_CMP_NEQ, 0),
            Expression.setPacketMark(clear: mask, set: mark.deposit(mark.redecideReply)))
        rule(
            "decide", Expression.direction(1), Expression.flowMark(mask, NFT_CMP_EQ, 0),
            Expression.setPacketMark(clear: mask, set: mark.deposit(mark.newReply)))
        rule("decide", [.verdict(.goto("ask"))])
        if let limit = configuration.questionLimit { limitQuestions(limit) }
        rule("ask", [queueExpression(configuration.queues)])
    }

    func queueExpression(_ queues: ClosedRange<UInt16>) -> Expression {
        let first = queues.lowerBound
        let total = UInt16(clamping: queues.count)
        let isBypassed = configuration.mode == .audit
        switch configuration.queueBackend {
        case .native:
            return .queue(first: first, total: total, isBypassed: isBypassed)
        case .compat:
            // struct xt_NFQ_info_v3 (queuenum, queues_total, flags; linux/netfilter/xt_NFQUEUE.h), padded to 8 bytes (XT_ALIGN).
            let words = [first, total, isBypassed ? 1 : 0, 0].map(\.littleEndian)
            return .target(
                name: "NFQUEUE", revision: 3,
                info: words.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] })
        }
    }

    mutating func stamp() {
        rule("stamp", Expression.packetMark(mask, NFT_CMP_EQ, mark.deposit(mark.reject)), [.verdict(.goto("refuse"))])
        rule(
            "stamp", Expression.packetMark(mask, NFT_CMP_EQ, mark.deposit(mark.denied)),
            Expression.setPacketMark(clear: mask, set: 0), Expression.setFlowMark(clear: mask, set: mark.deposit(mark.denied)),
            [.verdict(.goto("revoked"))])
        // A question that comes back without an answer is asked again: so a new owner of the queue re-queues what the dead one left.
        for code in [mark.redecideOriginal, mark.redecideReply, mark.newReply, mark.hello] {
            rule(
                "stamp", Expression.packetMark(mask, NFT_CMP_EQ, mark.deposit(code)), Expression.setPacketMark(clear: mask, set: 0),
                [.verdict(.goto("judge"))])
        }
        if hasClasses { classQuestions() }
        rule("stamp", Expression.state(Ruleset.untracked), [.verdict(.goto("stamp_untracked"))], comment: "no flow to remember it by")
        // One constant rule per bit keeps foreign bits; a write of register OR register cannot be listed by older nft programs.
        rule("stamp", Expression.setFlowMark(clear: mask, set: 0))
        for bit in (0..<32).map({ UInt32(1) << $0 }) where mask & bit != 0 {
            rule("stamp", Expression.packetMark(bit, NFT_CMP_EQ, bit), Expression.setFlowMark(clear: bit, set: bit))
        }
        rule("stamp", Expression.setPacketMark(clear: mask, set: 0))
        // It was just decided, so that it begins: "pending" lets no SYN begin that comes later.
        rule(
            "stamp", Expression.flowMark(mask, NFT_CMP_EQ, mark.deposit(mark.pending)), Expression.isProtocol(Ruleset.tcp), isOpening,
            Expression.direction(0), Expression.state(Ruleset.established), [.verdict(.goto("hello"))],
            comment: "the SYN in place of another connection")
        for family: IPFamily in [.v4, .v6] {
            rule(
                "stamp", isCurrent(family), [.verdict(.goto("admitted"))],
                comment: family == .v4 ? "the verdict is still valid" : nil)
        }
        if hasClasses { for family: IPFamily in [.v4, .v6] { rule("stamp", isCurrentOfClass(family), [.verdict(.accept)]) } }
        // The verdict is of another policy: what else it asked for, too.
        if configuration.hasLeases {
            rule("stamp", asksForLease, Expression.setPacketMark(clear: .max, set: 0))
            rule("stamp", asksForNameAndLease, Expression.setPacketMark(clear: .max, set: 0))
        }
        rule("stamp", asksForName, Expression.setPacketMark(clear: .max, set: 0))
        // Nobody would decide it, and a later policy of this address may have the generation that it bears.
        for family: IPFamily in [.v4, .v6] {
            rule(
                "stamp", originalSource(family), isPoliced(family, inverted: true), Expression.setFlowMark(clear: mask, set: 0),
                comment: family == .v4 ? "the address has passed to somebody who is not policed" : nil)
        }
        // Nothing of a flow that is not confirmed has passed: it was never let in, and its names are to be as live as those of any new flow. Not by a
        // lease, as the FlowTable has been told of the verdict. Flows of the node's own processes keep their mark: it tells the class.
        for family: IPFamily in [.v4, .v6] {
            rule(
                "stamp", Expression.cameIn,
                Expression.masked(.loadConntrack(NFT_CT_STATUS.rawValue, direction: nil, into: 1), Ruleset.confirmed, NFT_CMP_EQ, 0),
                Expression.flowMark(mask, NFT_CMP_NEQ, mark.deposit(mark.pending)),
                Expression.flowMark(mask, NFT_CMP_NEQ, mark.deposit(mark.checkedQUIC)), originalSource(family), isPoliced(family),
                Expression.setFlowMark(clear: mask, set: 0), [.verdict(.goto("decide"))], comment: family == .v4 ? "a first packet" : nil)
        }
        rule("stamp", [.verdict(.goto("judge"))])

        // A verdict of another policy does not count here either.
        for family: IPFamily in [.v4, .v6] {
            let isCurrent = isCurrentPacket(family)
            if configuration.hasLeases {
                rule("stamp_untracked", isCurrent, asksForLease, Expression.setPacketMark(clear: .max, set: 0), [.verdict(.accept)])
            }
            rule("stamp_untracked", isCurrent, Expression.setPacketMark(clear: mask, set: 0), [.verdict(.accept)])
        }
        if configuration.hasLeases { rule("stamp_untracked", asksForLease, Expression.setPacketMark(clear: .max, set: 0)) }
        rule("stamp_untracked", Expression.setPacketMark(clear: mask, set: 0))
        rule("stamp_untracked", [.verdict(.goto("judge"))])

        if configuration.hasLeases { rememberObserved() }
        rule("admitted", asksForName, [.verdict(.goto("observed"))], comment: "its hello is looked at")
        rule(
            "observed", Expression.setPacketMark(clear: .max, set: 0),
            Expression.setFlowMark(clear: mask, set: mark.deposit(mark.pending)), [.verdict(.accept)])
        if configuration.hasLeases { rememberLeases() }
        rule("admitted", [.verdict(.accept)])

        rule("refuse", Expression.setPacketMark(clear: mask, set: 0))
        rule("refuse", [.counter(.rejected)])
        rule("refuse", [.verdict(.goto("reject"))])
        rule("reject", Expression.isProtocol(Ruleset.tcp), [.reject(type: UInt32(NFT_REJECT_TCP_RST.rawValue), code: 0)])
        rule(
            "reject",
            [.reject(type: NFT_REJECT_ICMPX_UNREACH.rawValue, code: UInt8(NFT_REJECT_ICMPX_ADMIN_PROHIBITED.rawValue))])
        for number in [Ruleset.icmp, Ruleset.icmpv6] {
            rule("revoked", Expression.state(Ruleset.related), Expression.isProtocol(number), deny(.relatedDenied))
        }
        rule("revoked", [.counter(.revoked), .verdict(configuration.rejectsRevoked ? .goto("reject") : .drop)])
    }
}
