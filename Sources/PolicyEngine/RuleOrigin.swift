import PolicyModel

/// What a range of rule numbers belongs to: descriptions are made when they are asked for.
package final class RuleOrigin: Sendable {
    package enum Subject: Sendable {
        /// Its rules for egress; behind them the implicit rule of an exclusive policy.
        case policy(NetworkPolicy)
        case profile(Profile)
        /// Its default action.
        case tier(Tier)
        /// The implicit rule of an exclusive set.
        case set(NetworkSet)
    }

    let subject: Subject
    package let first: UInt32

    init(_ subject: Subject, first: UInt32) {
        self.subject = subject
        self.first = first
    }

    package var numbers: Range<Int> { Int(first)..<Int(first) + count }

    package var count: Int {
        switch subject {
        case .policy(let policy): policy.egress.count + 1
        case .profile(let profile): profile.egress.count
        case .tier, .set: 1
        }
    }

    func description(of number: UInt32) -> RuleDescription {
        let place = Int(number - first)
        switch subject {
        case .policy(let policy):
            guard place < policy.egress.count else {
                return RuleDescription(
                    tier: policy.tier, policy: policy.identity, rule: nil, action: "Deny", location: policy.location,
                    origin: .exclusivePolicy)
            }
            let rule = policy.egress[place]
            return RuleDescription(
                tier: policy.tier, policy: policy.identity, rule: place, action: rule.action.rawValue, location: rule.location)
        case .profile(let profile):
            let rule = profile.egress[place]
            return RuleDescription(
                tier: "", policy: profile.name, rule: place, action: rule.action.rawValue, location: rule.location, origin: .profile)
        case .tier(let tier):
            return RuleDescription(tier: tier.name, policy: "", rule: nil, action: tier.defaultAction.rawValue, location: tier.location)
        case .set(let set):
            return RuleDescription(
                tier: "", policy: set.identity, rule: nil, action: "Deny", location: set.location, origin: .exclusiveSet)
        }
    }
}
