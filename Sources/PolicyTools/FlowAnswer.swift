import DomainNames
import NetworkTypes
import PolicyEngine
import PolicyModel

/// How one flow is decided.
public struct FlowAnswer: Sendable {
    /// A verdict with its reason and the rule that gave it.
    public struct Verdict: Sendable, Hashable {
        public let reason: VerdictReason
        public let rule: RuleDescription?

        public init(reason: VerdictReason, rule: RuleDescription?) {
            self.reason = reason
            self.rule = rule
        }

        public var isAllowed: Bool { reason.isAllowed }
        /// `allow` or `deny`.
        public var word: String { isAllowed ? "allow" : "deny" }
    }

    /// A name that the endpoint resolves, or has resolved.
    public struct Name: Sendable {
        public let name: DomainName
        /// Patterns of the policies that match it.
        public let patterns: [DomainPattern]
        /// Why the query for it is refused; nil: it is answered.
        public let refusal: Verdict?
    }

    /// Of a flow to a name whose query is refused, that refusal.
    public let verdict: Verdict
    /// If the staged policies were in force; nil if none bears on the endpoint.
    public let staged: Verdict?
    /// The pattern by which the deciding rule matched.
    public let pattern: DomainPattern?
    /// Whether the flow has to give its name in its hello.
    public let nameCheck: NameVerification
    /// For egress: the name asked for, or those that the address was resolved under.
    public let names: [Name]
    /// As the packet would be: for ingress from the peer to the endpoint.
    public let flow: FlowTuple
    /// For people.
    public let trace: [String]

    /// The name by which the deciding rule matched.
    public var matchedName: DomainName? { pattern.flatMap { pattern in names.first { pattern.matches($0.name) }?.name } }
}
