import PolicyModel

/// A profile as the compiler keeps it.
final class ProfileRecord {
    let profile: Profile
    let origin: RuleOrigin
    let sourceConditions: [PolicyRecord.SourceCondition]
    /// By the rules that its endpoint's labels drop.
    var blocks: [[Int]: PolicyBlock] = [:]

    init(_ profile: Profile, origin: RuleOrigin) {
        self.profile = profile
        self.origin = origin
        sourceConditions = PolicyRecord.SourceCondition.all(of: profile.egress, namespace: nil)
    }
}
