import NetworkTypes
import PolicyModel

/// Rules that can never match, because an earlier one takes every flow that they would.
extension PolicyLint {
    func deadRules() -> [PolicyDiagnostic] {
        [PolicyType.egress, .ingress].flatMap { direction in
            var search = DeadRuleSearch(direction: direction, namesDecideQueries: namesDecideQueries)
            let passing = Set(
                enforced.filter { policy in
                    policy.types.contains(direction) && Self.rules(of: policy, direction).contains { $0.action == .pass }
                }.map(\.tier))
            var tier: String?
            // For ingress some policies on forwarded traffic stand before all others (preDNAT): they are looked at by themselves.
            let isApart = { (policy: NetworkPolicy) in direction == .ingress && policy.appliesOnForward }
            for policy in enforced where policy.types.contains(direction) && !isApart(policy) {
                // What a tier passes over goes on to the next: then its later rules do not stand before those of the next.
                if let left = tier, left != policy.tier, passing.contains(left) { search.forgetPolicies() }
                tier = policy.tier
                search.visit(policy)
            }
            search.forgetPolicies()
            for policy in resources.policies
            where policy.types.contains(direction) && (policy.stagedAction == .set || (policy.stagedAction == nil && isApart(policy))) {
                search.visit(policy)
                search.forgetPolicies()
            }
            return search.findings
        }
    }

    /// Whether names are refused or kept for others at the DNS stage, where rules without names do not stand before rules with them.
    private var namesDecideQueries: Bool {
        options.exclusiveByDefault || resources.policies.contains { $0.deniesByName || $0.isExclusive }
            || resources.networkSets.contains(where: \.isExclusive)
    }
}
