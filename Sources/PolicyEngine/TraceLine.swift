extension CompiledPolicy {
    /// One line of a trace, for people: what was looked at and what came of it.
    public struct TraceLine: Sendable, Hashable, CustomStringConvertible {
        public enum Kind: String, Sendable, Hashable {
            /// Failsafe ports, encapsulation, exclusive names.
            case builtIn
            /// A tier is entered, or passed over because it does not count.
            case tier
            /// A policy that selects the endpoint.
            case policy
            /// A rule was tried.
            case rule
            /// The default action of a tier.
            case tierDefault
            /// A profile, or what stands for one.
            case profile
            /// What the staged policies would decide.
            case staged
        }

        public let kind: Kind
        /// Of rules and defaults.
        public let rule: RuleDescription?
        public let subject: String
        public let outcome: String

        init(_ kind: Kind, rule: RuleDescription? = nil, subject: String? = nil, outcome: String) {
            self.kind = kind
            self.rule = rule
            self.subject = subject ?? rule?.description ?? ""
            self.outcome = outcome
        }

        public var description: String { "\(subject): \(outcome)" }
    }
}
