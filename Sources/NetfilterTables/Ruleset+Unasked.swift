import CNetfilter
import NetworkTypes

/// Counts answers that nobody waits for: late, twice, to a port that was never used, from a wrong port or server.
///
/// The resolver's sockets are connected, each to one upstream for one question, so that the kernel gives them nothing else. What comes to no socket is
/// seen by nobody but these rules. They count and decide nothing: the packet goes on as it would without them, and the kernel answers it with an
/// ICMP error or not at all. Each packet is counted once: one that comes back with a verdict is taken to "stamp" ahead of this.
///
/// TCP pays for one comparison, other UDP for one look into a set, however many upstreams there are; a socket is looked for in the rest alone.
extension Ruleset.Builder {
    mutating func unaskedAnswers() {
        rule(
            "input", Expression.isProtocol(Ruleset.udp), [.verdict(.jump("unasked"))], comment: "may be an answer that nobody waits for")
        for family: IPFamily in [.v4, .v6] { rule("unasked", source(family), isUpstream(family), [.verdict(.goto("no_socket"))]) }
        rule("unasked", Expression.isInputInterface("lo"), [.verdict(.return)], comment: "our own answers to the node's processes, too")
        rule("unasked", transportPort(source: true, 53), Expression.hasSocket, [.verdict(.return)])
        rule("unasked", transportPort(source: true, 53), [.counter(.strangerAnswer)])
        rule("no_socket", Expression.hasSocket, [.verdict(.return)], comment: "waited for")
        rule("no_socket", [.counter(.unaskedAnswer)])
    }
}
