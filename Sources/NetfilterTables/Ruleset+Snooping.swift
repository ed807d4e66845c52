import CNetfilter
import NetworkTypes

/// DNS between policed addresses and trusted resolvers, read on its way: UDP and TCP, questions and answers wait in a queue of their own, whole packets.
///
/// ```
/// forward, input, output 21 (filter)  "snoop_forward", "snoop_input", "snoop_output": refused? -> "refuse"; port 53 -> "snoop_questions", "snoop_answers"
/// ```
/// Behind the chains that decide about the flow, so that only what may pass is read. A verdict is `NF_ACCEPT`: nothing is remembered, each message is read.
/// What the interceptor itself asks is told by its user, and its answers by that nobody was seen to ask for them. What the node says to itself is read where
/// it leaves (questions) and where it arrives (answers), once.
extension Ruleset.Builder {
    static let snoopChains = ["snoop_questions", "snoop_answers", "snooped4", "snooped6"]

    mutating func snooping() {
        guard configuration.snooping != .none else { return }
        let isAll = configuration.snooping == .all
        for name in isAll ? ["snoop_forward", "snoop_input", "snoop_output"] : ["snoop_input", "snoop_output"] {
            rule(name, Expression.packetMark(mask, NFT_CMP_EQ, mark.deposit(mark.reject)), [.verdict(.goto("refuse"))])
            // A question that a dead owner of the queue has left is asked again.
            rule(name, Expression.packetMark(mask, NFT_CMP_NEQ, 0), Expression.setPacketMark(clear: mask, set: 0))
        }
        for transport in [Ruleset.udp, Ruleset.tcp] {
            let isDNS = Expression.isProtocol(transport)
            for question in [transportPort(source: false, 53), dialledPort(direction: 0)] {
                rule(
                    "snoop_output", isDNS, question, Expression.isUser(configuration.resolverUser...configuration.resolverUser),
                    [.verdict(.accept)], comment: "what the interceptor asks")
                rule("snoop_output", isDNS, question, [.verdict(.jump("snoop_questions"))])
                guard isAll else { continue }
                rule("snoop_forward", isDNS, question, [.verdict(.jump("snoop_questions"))])
                rule("snoop_input", isDNS, question, Expression.isNotFromLoopback, [.verdict(.jump("snoop_questions"))])
            }
            for answer in [transportPort(source: true, 53), dialledPort(direction: 1)] {
                // Nobody's answer, which teaches nothing: a server that begins to talk.
                rule("snoop_input", isDNS, answer, Expression.direction(0), [.verdict(.accept)])
                rule("snoop_input", isDNS, answer, [.verdict(.jump("snoop_answers"))])
                guard isAll else { continue }
                rule("snoop_forward", isDNS, answer, [.verdict(.jump("snoop_answers"))])
                rule("snoop_output", isDNS, answer, Expression.isNotToLoopback, [.verdict(.jump("snoop_answers"))])
            }
        }
        rule("snoop_questions", Expression.direction(1), [.verdict(.return)])
        for family: IPFamily in [.v4, .v6] { snooping(family) }
    }

    private mutating func snooping(_ family: IPFamily) {
        let limited = family == .v4 ? "snooped4" : "snooped6"
        if queryLimit != nil { limitQueries(family, in: limited, [.verdict(.return)]) }
        // As it was dialled, and as it was translated: either may be the one that is trusted.
        for server in [Expression.direction(0) + dialledServer(family), destination(family)] {
            let isAsked = source(family) + isPoliced(family) + server + isTrusted(family)
            if queryLimit != nil {
                rule("snoop_questions", Expression.isProtocol(Ruleset.udp), Expression.cameIn, isAsked, [.verdict(.jump(limited))])
            }
            limitSegments("snoop_questions", isAsked)
            rule(
                "snoop_questions", isAsked, Expression.setPacketMark(clear: mask, set: mark.deposit(mark.redecideOriginal)),
                [queueExpression(configuration.snoopQueue...configuration.snoopQueue)])
        }
        rule(
            "snoop_answers", destination(family), isPoliced(family), source(family), isTrusted(family), Expression.direction(0),
            deny(.snoopedUnasked))
        for server in [Expression.direction(1) + dialledServer(family), source(family)] {
            let isAnswered = destination(family) + isPoliced(family) + server + isTrusted(family)
            limitSegments("snoop_answers", isAnswered)
            rule(
                "snoop_answers", isAnswered, Expression.setPacketMark(clear: mask, set: mark.deposit(mark.redecideReply)),
                [queueExpression(configuration.snoopQueue...configuration.snoopQueue)])
        }
    }

    /// What has no rate of its own shares that of hellos: answers, and questions over TCP.
    private mutating func limitSegments(_ chain: String, _ isRead: [Expression]) {
        guard configuration.helloLimit != nil else { return }
        let isLimited = chain == "snoop_questions" ? Expression.isProtocol(Ruleset.tcp) : []
        rule(chain, isLimited, isRead, [.verdict(.jump("hello_rate"))])
    }

    /// `ct original daddr`.
    private func dialledServer(_ family: IPFamily) -> [Expression] {
        [
            .loadConntrack(
                family == .v4 ? NFT_CT_DST_IP.rawValue : NFT_CT_DST_IP6.rawValue, direction: 0, into: Ruleset.lookupRegister)
        ]
    }

    /// `ct direction` and `ct original proto-dst 53`: a service may have its port elsewhere.
    private func dialledPort(direction: UInt8) -> [Expression] {
        Expression.direction(direction) + [
            .loadConntrack(NFT_CT_PROTO_DST.rawValue, direction: 0, into: Ruleset.lookupRegister),
            .compare(NFT_CMP_EQ.rawValue, register: Ruleset.lookupRegister, Expression.big(53)),
        ]
    }

    private func isTrusted(_ family: IPFamily) -> [Expression] {
        [.lookup(set: ElementSet.trusted(family).name, register: Ruleset.lookupRegister, isInverted: false)]
    }
}
