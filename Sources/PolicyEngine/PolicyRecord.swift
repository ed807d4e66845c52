import PolicyModel

/// A policy as the compiler keeps it. A changed policy is a new record under the same slot.
final class PolicyRecord {
    /// A rule that is only for endpoints with such labels.
    struct SourceCondition {
        let rule: Int
        let selector: Selector?
        let notSelector: Selector?

        func holds(_ labels: [String: String]) -> Bool { (selector?.matches(labels) ?? true) && !(notSelector?.matches(labels) ?? false) }

        static func all(of rules: [PolicyRule], namespace: String?) -> [SourceCondition] {
            rules.enumerated().compactMap { place, rule in
                let selector = rule.source.effectiveSelector(policyNamespace: namespace)
                guard selector != nil || rule.source.notSelector != nil else { return nil }
                return SourceCondition(rule: place, selector: selector, notSelector: rule.source.notSelector)
            }
        }
    }

    let policy: NetworkPolicy
    /// Place in the ranks.
    let slot: UInt32
    let selector: Selector
    let origin: RuleOrigin
    let sourceConditions: [SourceCondition]
    let governsEgress: Bool
    let isExclusive: Bool
    let source: PolicySource
    /// By the rules that its endpoint's labels drop.
    var blocks: [[Int]: PolicyBlock] = [:]

    init(_ policy: NetworkPolicy, slot: UInt32, origin: RuleOrigin, exclusiveByDefault: Bool) {
        self.policy = policy
        self.slot = slot
        self.origin = origin
        selector = policy.effectiveSelector
        governsEgress = policy.types.contains(.egress)
        sourceConditions = SourceCondition.all(of: policy.egress, namespace: policy.namespace)
        source = PolicySource(policy, selector)
        isExclusive = governsEgress && (policy.isExclusive || exclusiveByDefault)
    }

    var isStaged: Bool { policy.stagedAction != nil }

    /// What a staged policy replaces or removes.
    struct Target: Hashable {
        let namespace: String?
        let tier: String
        let name: String
    }

    var target: Target { Target(namespace: policy.namespace, tier: policy.tier, name: policy.name) }
}
