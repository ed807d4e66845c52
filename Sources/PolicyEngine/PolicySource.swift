import PolicyModel

/// A policy as it was given, for explanations.
final class PolicySource: Sendable {
    let policy: NetworkPolicy
    let selector: Selector

    init(_ policy: NetworkPolicy, _ selector: Selector) {
        self.policy = policy
        self.selector = selector
    }
}
