import CNetfilter
import NetworkTypes

/// The base chains of forward, input and output: what they let pass themselves, and which packets go on to "stamp" and "judge".
extension Ruleset.Builder {
    mutating func hooks() {
        // First, because it is asked for every query; what is accepted here is never queued, so no verdict comes back for it.
        for address in configuration.dnsListen {
            for transport in [Ruleset.udp, Ruleset.tcp] {
                rule("input", isQuery(to: address, transport), [.verdict(.accept)], comment: "the DNS interceptor")
                rule("output", isAnswer(from: address, transport), [.verdict(.accept)], comment: "the DNS interceptor")
            }
        }
        if configuration.interceptDNS {
            for family: IPFamily in [.v4, .v6] {
                guard let listen = configuration.dnsListen.first(where: { $0.family == family }) else { continue }
                for (chain, isReply) in [("input", false), ("output", true)] {
                    rule(
                        chain, isReply ? isFrom(listen) : isTo(listen), Expression.isProtocol(Ruleset.udp),
                        transportPort(source: isReply, configuration.dnsInterceptPort),
                        [
                            .loadConntrack(NFT_CT_PROTO_DST.rawValue, direction: 0, into: 1),
                            .compare(NFT_CMP_EQ.rawValue, register: 1, Expression.big(53)), .verdict(.accept),
                        ], comment: "intercepted")
                }
            }
        }
        if hasClasses { classPorts() }
        for name in ["forward", "input", "output"] {
            rule(name, Expression.packetMark(mask, NFT_CMP_NEQ, 0), [.verdict(.goto("stamp"))], comment: "a verdict came back")
        }
        if configuration.countsUnaskedAnswers { unaskedAnswers() }
        if configuration.isNodeClosed {
            for pattern in configuration.workloadInterfaces {
                rule(
                    "input", Expression.isInputInterface(pattern), Expression.direction(0), deny(.endpointToHost),
                    comment: "the node itself is closed to workloads")
            }
        }
        // What a host endpoint sends to its own node is nobody's egress.
        rule("input", Expression.isInputInterface("lo"), [.verdict(.accept)])
        rule("output", Expression.isToLoopback, [.verdict(.accept)])
        // What a refusal sends passes output.
        rule("output", [.verdict(.jump("own_errors"))])
        rule(
            "own_errors", Expression.isProtocol(Ruleset.tcp),
            Expression.masked(.loadPayload(base: NFT_PAYLOAD_TRANSPORT_HEADER.rawValue, offset: 13, count: 1, into: 1), byte: 0x04),
            [.verdict(.accept)], comment: "resets")
        for type: UInt8 in [3, 11, 12] {
            rule(
                "own_errors", Expression.isIPv4, Expression.isProtocol(Ruleset.icmp),
                Expression.payload(NFT_PAYLOAD_TRANSPORT_HEADER, 0, equals: [type]), [.verdict(.accept)],
                comment: type == 3 ? "ICMP errors" : nil)
        }
        for type: UInt8 in [1, 2, 3, 4] {
            rule(
                "own_errors", Expression.isIPv6, Expression.isProtocol(Ruleset.icmpv6),
                Expression.payload(NFT_PAYLOAD_TRANSPORT_HEADER, 0, equals: [type]), [.verdict(.accept)],
                comment: type == 1 ? "ICMPv6 errors" : nil)
        }
        if hasClasses { cgroupsOfOutput() }
        for name in ["forward", "input", "output"] { rule(name, [.verdict(.goto("judge"))]) }
    }
}
