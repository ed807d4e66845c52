import CNetfilter
import NetworkTypes

/// Rules for classes of the node's own processes.
///
/// ```
/// output:   of no mark yet, and a cgroup of a class sends? ask for that class
/// output -110 (nat)  "dns_output": port 53 of a class -> the interceptor's port of that class, but not what the interceptor itself asks
/// "judge":  of the node's own flow? -> "class_original" (output, originator's packet), "class_reply" (input, responder's packet)
/// "class_original": ct mark of a class? ask for that class | no mark, and a user of a class sends? ask | node open? accept | back to "judge"
/// "class_reply":    ct mark of a class? ask | node open? accept | back to "judge"
/// ```
/// The class of a flow is told by who sends its first packet, and from then on by its ct mark, in both directions: a reply has no owner.
extension Ruleset.Builder {
    var hasClasses: Bool { !configuration.classes.isEmpty }

    /// (`ct original saddr` . our bits of ct mark) is in the set of classes.
    func isCurrentOfClass(_ family: IPFamily) -> [Expression] {
        let markRegister: UInt32 = family == .v4 ? 9 : 2
        return originalSource(family) + [
            .loadConntrack(NFT_CT_MARK.rawValue, direction: nil, into: markRegister),
            .bitwise(register: markRegister, mask: Expression.native(mask), xor: Expression.native(0)),
            .lookup(set: ElementSet.classes(family).name, register: 1, isInverted: false),
        ]
    }

    /// In "stamp": a question about a class that comes back without an answer is asked again. Of the node's own flows alone: to others these
    /// codes are generations.
    mutating func classQuestions() {
        rule("stamp", Expression.isSentHere, Expression.direction(0), [.verdict(.jump("class_questions"))])
        rule("stamp", Expression.isForHere, Expression.direction(1), [.verdict(.jump("class_questions"))])
        let kinds = mark.deposit(3)
        for entry in configuration.classes {
            rule(
                "class_questions",
                Expression.packetMark(mask & ~kinds, NFT_CMP_EQ, mark.deposit(mark.question(ofClass: UInt32(entry.number), 0))),
                [.verdict(.goto("ask"))])
        }
    }

    /// The kernel takes the cgroup of a socket only in chains that nothing but output, input or prerouting leads to: so it is asked for ahead of
    /// "judge", of flows that bear no mark yet.
    mutating func cgroupsOfOutput() {
        let cgroups = configuration.classes.filter(\.isCgroup)
        guard !cgroups.isEmpty else { return }
        rule("output", Expression.direction(0), Expression.flowMark(mask, NFT_CMP_EQ, 0), [.verdict(.jump("class_cgroup"))])
        for number in [Ruleset.icmp, Ruleset.icmpv6] {
            rule("class_cgroup", Expression.state(Ruleset.related), Expression.isProtocol(number), [.verdict(.return)])
        }
        for entry in cgroups { ask(of: entry, in: "class_cgroup") }
        guard configuration.isNodeOpen else { return }
        for entry in cgroups {
            rule("output", Expression.state(Ruleset.untracked), Expression.isOwned(by: entry.owner), [.verdict(.goto("ask"))])
        }
    }

    /// A flow that nobody has decided.
    private mutating func ask(of entry: ProcessClassRule, in chain: String) {
        rule(
            chain, Expression.flowMark(mask, NFT_CMP_EQ, 0), Expression.isOwned(by: entry.owner),
            Expression.setPacketMark(clear: mask, set: mark.deposit(mark.question(ofClass: UInt32(entry.number), 0))),
            [.verdict(.goto("ask"))], comment: "class \(entry.number)")
    }

    /// What conntrack does not see is nobody's flow: where the node is open, only processes of classes are asked about.
    mutating func untrackedOfClasses() {
        guard configuration.isNodeOpen else { return }
        for entry in configuration.classes where !entry.isCgroup {
            rule("untracked", Expression.isSentHere, Expression.isOwned(by: entry.owner), [.verdict(.goto("ask"))])
        }
        rule("untracked", Expression.isSentHere, [.verdict(.accept)])
    }

    mutating func classJumps() {
        rule("judge", Expression.isSentHere, Expression.direction(0), [.verdict(.jump("class_original"))], comment: "the node's own flows")
        rule("judge", Expression.isForHere, Expression.direction(1), [.verdict(.jump("class_reply"))])
    }

    mutating func classes() {
        for name in ["class_original", "class_reply"] {
            for number in [Ruleset.icmp, Ruleset.icmpv6] {
                rule(name, Expression.state(Ruleset.related), Expression.isProtocol(number), [.verdict(.return)])
            }
            for entry in configuration.classes {
                let question = mark.question(ofClass: UInt32(entry.number), name == "class_original" ? 1 : 2)
                rule(
                    name, Expression.flowMark(mark.classMask, NFT_CMP_EQ, mark.deposit(mark.question(ofClass: UInt32(entry.number), 0))),
                    Expression.setPacketMark(clear: mask, set: mark.deposit(question)), [.verdict(.goto("ask"))])
            }
        }
        for entry in configuration.classes where !entry.isCgroup { ask(of: entry, in: "class_original") }
        if configuration.isNodeOpen {
            for name in ["class_original", "class_reply"] { rule(name, [.verdict(.accept)], comment: "of no class, and not policed") }
        }
        classDNS()
    }

    private func listen(_ family: IPFamily) -> IPAddress? { configuration.dnsListen.first { $0.family == family } }

    /// A class's port answers for that class: whoever gets there otherwise than by our translation is somebody else.
    mutating func classPorts() {
        for family: IPFamily in [.v4, .v6] {
            guard let listen = listen(family) else { continue }
            for entry in configuration.classes {
                guard let port = entry.dnsPort else { continue }
                for transport in [Ruleset.udp, Ruleset.tcp] {
                    let isAsked = isTo(listen) + Expression.isProtocol(transport) + transportPort(source: false, port)
                    rule(
                        "output", isAsked,
                        [
                            .loadConntrack(NFT_CT_PROTO_DST.rawValue, direction: 0, into: 1),
                            .compare(NFT_CMP_EQ.rawValue, register: 1, Expression.big(53)), .verdict(.accept),
                        ], comment: "DNS of class \(entry.number)")
                    rule("output", isAsked, [.counter(.spoofedSource), .verdict(.drop)])
                    rule("input", isAsked, Expression.isInputInterface("lo"), [.verdict(.accept)])
                    rule("input", isAsked, [.counter(.spoofedSource), .verdict(.drop)])
                }
            }
        }
    }

    private mutating func classDNS() {
        for family: IPFamily in [.v4, .v6] {
            rule(
                "dns_output", destination(family), isUpstream(family),
                Expression.isUser(configuration.resolverUser...configuration.resolverUser),
                [.verdict(.accept)], comment: "what the interceptor asks")
        }
        for transport in [Ruleset.udp, Ruleset.tcp] {
            rule("dns_output", Expression.isProtocol(transport), transportPort(source: false, 53), [.verdict(.goto("class_dns"))])
        }
        for entry in configuration.classes {
            guard let port = entry.dnsPort else { continue }
            for family: IPFamily in [.v4, .v6] {
                guard let listen = listen(family) else { continue }
                rule(
                    "class_dns", isFamily(family), Expression.isOwned(by: entry.owner),
                    [
                        .immediate(register: 1, listen.networkBytes), .immediate(register: 2, Expression.big(port)),
                        .destinationNAT(family: family == .v4 ? 2 : 10, addressRegister: 1, portRegister: 2),
                    ], comment: "class \(entry.number)")
            }
        }
    }
}
