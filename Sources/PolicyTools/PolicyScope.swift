import PolicyModel

/// Which endpoints a policy applies to, criterion by criterion; two scopes can be compared where two selectors cannot.
struct PolicyScope: Hashable {
    /// Nil: all.
    var selector: Selector?
    var namespace: String?
    var namespaceSelector: Selector?
    var serviceAccountSelector: Selector?

    init(_ policy: NetworkPolicy) {
        selector = policy.selector.isAll ? nil : policy.selector
        namespace = policy.namespace
        namespaceSelector = policy.namespaceSelector
        serviceAccountSelector = policy.serviceAccountSelector
    }

    /// This scope and every wider one that leaves out some of its criteria: each certainly holds all endpoints of this one.
    var covering: [PolicyScope] {
        var scopes = [self]
        func widen(_ hasCriterion: Bool, _ change: (inout PolicyScope) -> Void) {
            guard hasCriterion else { return }
            scopes += scopes.map { scope in
                var wider = scope
                change(&wider)
                return wider
            }
        }
        widen(selector != nil) { $0.selector = nil }
        widen(namespace != nil) { $0.namespace = nil }
        widen(namespaceSelector != nil) { $0.namespaceSelector = nil }
        widen(serviceAccountSelector != nil) { $0.serviceAccountSelector = nil }
        return scopes
    }

    /// Whether an endpoint may be in both, as far as namespaces tell.
    func mayMeet(_ other: PolicyScope) -> Bool { namespace == nil || other.namespace == nil || namespace == other.namespace }
}
