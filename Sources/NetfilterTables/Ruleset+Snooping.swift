import CNetfilter
import NetworkTypes

/// DNS between policed addresses and trusted resolvers, read on its way: questions over UDP and answers over UDP and TCP wait in a queue of
/// their own, whole packets.
///
/// ```
/// forward, input, output 21 (filter)  "snoop_forward", "snoop_input", "snoop_output": refused? -> "refuse"; from or to port 53 -> "snoop_questions", "snoop_answers"
/// ```
/// Behind the chains that decide about the flow, so that only what may pass is read. A verdict is `NF_ACCEPT`: nothing is remembered, each message is read.
/// What the interceptor itself asks is told by its user, and its answers by that nobody has asked for them.
extension Ruleset.Builder {
    static let snoopChains = ["snoop_questions", "snoop_answers", "snooped4", "snooped6"]

    mutating func snooping() {
        guard configuration.snooping != .none else { return }
        let isAll = configuration.snooping == .all
        for name in isAll ? ["snoop_forward", "snoop_input", "snoop_output"] : ["snoop_input", "snoop_output"] {
            rule(name, Expression.packetMark(mask, NFT_CMP_EQ, mark.deposit(mark.reject)), [.verdict(.goto("refuse"))])
            // A question that a dead owner of the queue has left is asked again.
            rule(name, Expression.packetMark(mask, NFT_CMP_NEQ, 0), Expression.setPacketMark(clear: mask, set: 0))
            if name != "snoop_input" || isAll {
                if name == "snoop_output" {
                    rule(
                        name, Expression.isProtocol(Ruleset.udp), transportPort(source: false, 53),
                        Expression.isUser(configuration.resolverUser...configuration.resolverUser), [.verdict(.accept)],
                        comment: "what the interceptor asks")
                }
                rule(
                    name, Expression.isProtocol(Ruleset.udp), transportPort(source: false, 53), [.verdict(.jump("snoop_questions"))])
            }
            guard name != "snoop_output" || isAll else { continue }
            for transport in [Ruleset.udp, Ruleset.tcp] {
                rule(name, Expression.isProtocol(transport), transportPort(source: true, 53), [.verdict(.jump("snoop_answers"))])
            }
        }
        for family: IPFamily in [.v4, .v6] {
            let limited = family == .v4 ? "snooped4" : "snooped6"
            if queryLimit != nil { limitQueries(family, in: limited, [.verdict(.return)]) }
            // As it was dialled, and as it was translated: either may be the one that is trusted.
            for server in [dialledServer(family), destination(family)] {
                let isAsked = source(family) + isPoliced(family) + server + isTrusted(family)
                if queryLimit != nil { rule("snoop_questions", Expression.cameIn, isAsked, [.verdict(.jump(limited))]) }
                rule(
                    "snoop_questions", isAsked, Expression.setPacketMark(clear: mask, set: mark.deposit(mark.redecideOriginal)),
                    [queueExpression(configuration.snoopQueue...configuration.snoopQueue)])
            }
            for server in [Expression.direction(1) + dialledServer(family), source(family)] {
                rule(
                    "snoop_answers", destination(family), isPoliced(family), server, isTrusted(family),
                    Expression.setPacketMark(clear: mask, set: mark.deposit(mark.redecideReply)),
                    [queueExpression(configuration.snoopQueue...configuration.snoopQueue)])
            }
        }
    }

    /// `ct original daddr`.
    private func dialledServer(_ family: IPFamily) -> [Expression] {
        [
            .loadConntrack(
                family == .v4 ? NFT_CT_DST_IP.rawValue : NFT_CT_DST_IP6.rawValue, direction: 0, into: Ruleset.lookupRegister)
        ]
    }

    private func isTrusted(_ family: IPFamily) -> [Expression] {
        [.lookup(set: ElementSet.trusted(family).name, register: Ruleset.lookupRegister, isInverted: false)]
    }
}
