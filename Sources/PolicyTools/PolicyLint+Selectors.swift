import PolicyModel

/// Selectors that select nothing of the load.
extension PolicyLint {
    func idleSelectors() -> [PolicyDiagnostic] {
        guard !resources.endpoints.isEmpty || !resources.hostEndpoints.isEmpty else { return [] }
        let context = LabelContext(resources)
        let endpointLabels = resources.endpoints.map(context.labels(of:)) + resources.hostEndpoints.map(context.labels(of:))
        let endpoints = LabelledSubjects(endpointLabels)
        let subjects = LabelledSubjects(endpointLabels + resources.networkSets.map(context.labels(of:)))
        var known: [Selector: (endpoint: Bool?, subject: Bool?)] = [:]
        func selectsEndpoint(_ selector: Selector) -> Bool {
            if let found = known[selector]?.endpoint { return found }
            let found = endpoints.contains(selector)
            known[selector, default: (nil, nil)].endpoint = found
            return found
        }
        func selectsSubject(_ selector: Selector) -> Bool {
            if let found = known[selector]?.subject { return found }
            let found = subjects.contains(selector)
            known[selector, default: (nil, nil)].subject = found
            return found
        }
        var findings: [PolicyDiagnostic] = []
        for policy in resources.policies where policy.stagedAction != .delete {
            guard findings.count <= Self.findingsMax else { break }
            if !selectsEndpoint(policy.effectiveSelector) {
                let hint = policy.namespace.map { "in the namespace \($0): \(policy.selector)" } ?? "\(policy.effectiveSelector)"
                findings.append(
                    PolicyDiagnostic(.warning, at: policy.location, field: Self.scopeField(policy), "selects no known endpoint", hint: hint)
                )
            }
            for direction in [PolicyType.egress, .ingress] where policy.types.contains(direction) {
                let peer = direction == .egress ? "destination" : "source"
                for (place, rule) in Self.rules(of: policy, direction).enumerated() {
                    for (side, entity) in [("source", rule.source), ("destination", rule.destination)] {
                        let effective = entity.effectiveSelector(policyNamespace: policy.namespace)
                        let parts = [
                            (
                                entity.selector == nil
                                    ? (entity.namespaceSelector == nil ? "serviceAccounts" : "namespaceSelector") : "selector", effective
                            ),
                            ("notSelector", entity.notSelector),
                        ]
                        for case (let part, let selector?) in parts
                        where !(side == peer ? selectsSubject(selector) : selectsEndpoint(selector)) {
                            // What comes of notSelector alone is the policy's own namespace.
                            if part != "notSelector", entity.selector == nil, entity.namespaceSelector == nil,
                                entity.serviceAccounts?.isEmpty ?? true
                            {
                                continue
                            }
                            let field = Self.field(of: place, direction, in: policy)
                            findings.append(
                                PolicyDiagnostic(
                                    .warning, at: rule.location ?? policy.location,
                                    field: field == "spec" ? field : "\(field).\(side).\(part)",
                                    "selects no known endpoint\(side == peer ? " and no network set" : "")", hint: "\(selector)"))
                        }
                    }
                }
            }
        }
        return findings
    }

    private static func scopeField(_ policy: NetworkPolicy) -> String {
        switch policy.kind {
        case .networkPolicy, .globalNetworkPolicy, .stagedNetworkPolicy, .stagedGlobalNetworkPolicy: "spec.selector"
        case .kubernetesNetworkPolicy, .stagedKubernetesNetworkPolicy: "spec.podSelector"
        default: "spec"
        }
    }
}
