import NetworkTypes
import PolicyModel

/// Domain rules of endpoints that may not ask for names.
///
/// Queries to the resolver's own addresses go ahead of policy always, and with `dns.intercept` so does everything to port 53. Without it a
/// query to another server is judged like any flow.
extension PolicyLint {
    func refusedQueries() -> [PolicyDiagnostic] {
        guard options.dns != .intercepted else { return [] }
        let policies = enforced.filter { $0.types.contains(.egress) }
        let naming = policies.compactMap { policy in
            policy.egress.firstIndex { $0.action == .allow && RuleShape($0, in: policy).hasNames }.map { (policy: policy, place: $0) }
        }
        guard !naming.isEmpty else { return [] }
        if options.dns == .notServed {
            return naming.prefix(1).map {
                warning($0.policy, $0.place, "no resolver listens (dns.listen), so no rule with names ever matches", hint: "set dns.listen")
            }
        }
        // In the order of policies: where queries are allowed, and where they are refused whatever the server.
        var allowing: [(rank: Int, scope: PolicyScope)] = []
        var refusing: [PolicyScope: (rank: Int, place: Int)] = [:]
        for (rank, policy) in policies.enumerated() {
            let scope = PolicyScope(policy)
            if policy.egress.contains(where: { $0.action != .deny && $0.action != .log && Self.admitsQuery($0) }) {
                allowing.append((rank, scope))
            }
            if let place = policy.egress.firstIndex(where: Self.refusesQueries), refusing[scope] == nil { refusing[scope] = (rank, place) }
        }
        // One Allow is looked at for each scope of namespaces, the earliest.
        let firstAllowing = Dictionary(allowing.map { ($0.scope.namespace, $0.rank) }) { min($0, $1) }
        return naming.compactMap { policy, place in
            let scope = PolicyScope(policy)
            let allowed: Int? =
                scope.namespace == nil
                ? firstAllowing.values.min() : [firstAllowing[nil], firstAllowing[scope.namespace]].compactMap { $0 }.min()
            let refused = scope.covering.compactMap { refusing[$0] }.min { $0.rank < $1.rank }
            if let refused, refused.rank < allowed ?? .max {
                let name = Self.name(ofRule: refused.place, .egress, in: policies[refused.rank])
                return warning(
                    policy, place, "names are allowed, and \(name) refuses the queries for them",
                    hint: options.dns == .unknown
                        ? "it works only while dns.intercept brings queries to Exeat ahead of policy" : "allow UDP and TCP 53 before it")
            }
            if options.dns == .notIntercepted, allowed == nil {
                return warning(
                    policy, place, "names are allowed, and no rule allows the queries for them: dns.intercept is off",
                    hint: "only queries to the addresses of dns.listen go ahead of policy; allow UDP and TCP 53, or switch it on")
            }
            return nil
        }
    }

    private func warning(_ policy: NetworkPolicy, _ place: Int, _ message: String, hint: String) -> PolicyDiagnostic {
        PolicyDiagnostic(
            .warning, at: policy.egress[place].location ?? policy.location, field: Self.field(of: place, .egress, in: policy), message,
            hint: hint)
    }

    /// Whether some query over UDP could match.
    private static func admitsQuery(_ rule: PolicyRule) -> Bool {
        guard rule.protocol == nil || rule.protocol == .udp, rule.notProtocol != .udp, rule.icmp?.type == nil else { return false }
        return rule.destination.ports.isEmpty || rule.destination.ports.contains { $0.isNamed || contains53($0) }
    }

    /// Whether every query over UDP matches, and port 53 is named.
    private static func refusesQueries(_ rule: PolicyRule) -> Bool {
        let (source, destination) = (rule.source, rule.destination)
        guard rule.action == .deny, rule.protocol == nil || rule.protocol == .udp, rule.notProtocol != .udp, rule.ipVersion == nil else {
            return false
        }
        var open = destination
        open.ports = []
        return source == .any && open == .any && destination.ports.contains(where: contains53)
    }

    private static func contains53(_ port: RulePort) -> Bool {
        if case .range(let range) = port { range.contains(53) } else { false }
    }
}
