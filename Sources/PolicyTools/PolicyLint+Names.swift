import PolicyModel

/// Names of network sets that no rule of an enforced policy reaches.
extension PolicyLint {
    func unreachedNames() -> [PolicyDiagnostic] {
        let sets = resources.networkSets.filter { !$0.allowedEgressDomains.isEmpty || !$0.allowedEgressURLs.isEmpty }
        guard !sets.isEmpty else { return [] }
        let context = LabelContext(resources)
        let subjects = LabelledSubjects(sets.map(context.labels(of:)))
        var isReached = [Bool](repeating: false, count: sets.count)
        for selector in selectorsOfNames(resources.policies.filter { $0.stagedAction == nil }) {
            subjects.matching(selector) { place in
                isReached[place] = true
                return true
            }
        }
        var isStaged = isReached
        if isReached.contains(false) {
            for selector in selectorsOfNames(resources.policies.filter { $0.stagedAction == .set }) {
                subjects.matching(selector) { place in
                    isStaged[place] = true
                    return true
                }
            }
        }
        return sets.indices.filter { !isReached[$0] }.map { place in
            let set = sets[place]
            let field = set.kind == .serviceEntry ? "spec.hosts" : "spec.allowedEgressDomains"
            let message =
                set.isExclusive
                ? "no Allow rule of an enforced policy selects the set: its exclusive names are closed to every endpoint"
                : "no Allow rule of an enforced policy selects the set: its names allow nothing"
            let hint =
                isStaged[place]
                ? "a staged policy selects it"
                : set.labels.isEmpty
                    ? "give it a label, and select that under destination.selector" : "select one of its labels under destination.selector"
            return PolicyDiagnostic(.warning, at: set.location, field: field, message, hint: hint)
        }
    }

    /// Selectors of destinations by which names of sets count for egress, each once.
    private func selectorsOfNames(_ policies: [NetworkPolicy]) -> Set<Selector> {
        var selectors: Set<Selector> = []
        for policy in policies where policy.types.contains(.egress) {
            for rule in policy.egress where rule.action == .allow || (policy.deniesByName && rule.action != .log) {
                if let selector = rule.destination.effectiveSelector(policyNamespace: policy.namespace) { selectors.insert(selector) }
            }
        }
        return selectors
    }
}
