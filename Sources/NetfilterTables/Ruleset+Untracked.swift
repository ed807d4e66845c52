import CNetfilter
import NetworkTypes

/// What of the interceptor's own traffic is not tracked.
///
/// Always, while DNS is intercepted at port 53: UDP queries that a policed endpoint sends to the interceptor's own address, and their answers. For each
/// query conntrack would cost as much as finding the answer. Then port 53 of a policed endpoint is brought here by nobody else's translation,
/// which an untracked answer would not find back through.
///
/// With `TableConfiguration.isDNSUntracked`, as NodeLocal DNSCache does: what anybody sends to a listen address and port, and what comes from there. No
/// translation of others applies to such packets, kube-proxy's of a service's address that is a listen address among them. Two
/// things stay tracked, because translations of our own need it: TCP of policed endpoints (intercepted to the same port), and what the node's own processes
/// ask while there are classes of them.
extension Ruleset.Builder {
    private var leavesDirectQueries: Bool {
        (configuration.interceptDNS && configuration.dnsPort == 53) || configuration.isDNSUntracked
    }

    /// TCP of endpoints that are not policed, ahead of "workload"'s rule for all TCP.
    mutating func untrackedStreams() {
        guard configuration.isDNSUntracked else { return }
        for address in configuration.dnsListen {
            rule(
                "workload", isQuery(to: address, Ruleset.tcp), isKnown(address.family), [loadSource(address.family)],
                isPoliced(address.family, inverted: true), [.withoutTracking, .verdict(.accept)], comment: "asked over TCP")
        }
    }

    /// The source is checked first, as for everything from a workload.
    mutating func directQueries() {
        guard leavesDirectQueries || queryLimit != nil else { return }
        for address in configuration.dnsListen {
            let family = address.family
            rule(
                "workload", isQuery(to: address, Ruleset.udp), isKnown(family), [loadSource(family)], isPoliced(family),
                [.verdict(.jump(family == .v4 ? "direct4" : "direct6"))], comment: "asked directly")
            if queryLimit != nil {
                rule(
                    "workload", isQuery(to: address, Ruleset.udp), isKnown(family), [loadSource(family)], isPoliced(family, inverted: true),
                    [.verdict(.jump(family == .v4 ? "unselected4" : "unselected6"))], comment: "asked by workloads without a policy")
            }
            if configuration.isDNSUntracked {
                rule(
                    "workload", isQuery(to: address, Ruleset.udp), isKnown(family), [.withoutTracking, .verdict(.accept)],
                    comment: "asked by others")
            } else if leavesDirectQueries {
                // In front of the rule that clears marks, which costs more than this does for others: whatever mark such a packet bears, "output" accepts it.
                rule(
                    "raw_output", isAnswer(from: address, Ruleset.udp), Expression.isNotToLoopback,
                    [loadDestination(family)], isPoliced(family), [.withoutTracking, .verdict(.accept)], comment: "answered directly")
            }
        }
        if configuration.isDNSUntracked { untrackedAnswers() }
        for family: IPFamily in [.v4, .v6] where configuration.dnsListen.contains(where: { $0.family == family }) {
            limitQueries(
                family, in: family == .v4 ? "direct4" : "direct6",
                leavesDirectQueries ? [.withoutTracking, .verdict(.accept)] : [.verdict(.return)])
            if queryLimit != nil { limitQueries(family, in: family == .v4 ? "unselected4" : "unselected6", [.verdict(.return)]) }
        }
    }

    private mutating func untrackedAnswers() {
        let isElsewhere = hasClasses ? Expression.isNotToLoopback : []
        for address in configuration.dnsListen {
            // The node's own TCP is brought nowhere while there are no classes, also where its address is policed.
            if !hasClasses {
                rule(
                    "raw_output", isAnswer(from: address, Ruleset.tcp), Expression.isToLoopback, [.withoutTracking, .verdict(.accept)],
                    comment: "answered to the node")
            }
            rule(
                "raw_output", isAnswer(from: address, Ruleset.udp), isElsewhere, [.withoutTracking, .verdict(.accept)],
                comment: "answered directly")
            rule(
                "raw_output", isAnswer(from: address, Ruleset.tcp), isElsewhere, [loadDestination(address.family)],
                isPoliced(address.family, inverted: true), [.withoutTracking, .verdict(.accept)])
        }
    }

    /// In "elsewhere" behind the checks of the source, and in "raw_output" behind the rule that clears marks.
    mutating func untrackedOfOthers() {
        guard configuration.isDNSUntracked else { return }
        for address in configuration.dnsListen {
            for transport in [Ruleset.udp, Ruleset.tcp] {
                let isAsked = isQuery(to: address, transport)
                rule("elsewhere", isAsked, [.withoutTracking, .verdict(.accept)], comment: "asked from elsewhere")
                guard !hasClasses else { continue }
                rule("raw_output", isAsked, [.withoutTracking, .verdict(.accept)], comment: "asked by the node")
            }
        }
    }
}
