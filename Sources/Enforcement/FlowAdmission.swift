import DomainNames
import NetworkTypes
import PolicyEngine

/// Under what a flow was admitted. It keeps its meaning when policy and process are gone: texts, no indices.
public struct FlowAdmission: Hashable, Sendable {
    public let endpoint: EndpointID
    /// nil if no name had a part in the decision.
    public let name: DomainName?
    /// `RuleDescription.description`; empty if no rule decided. At most 255 bytes are kept over a restart.
    public let rule: String
    public let reason: VerdictReason
    /// Of the process that decided.
    public let policyVersion: UInt32

    public init(endpoint: EndpointID, name: DomainName?, rule: String, reason: VerdictReason, policyVersion: UInt32) {
        self.endpoint = endpoint
        self.name = name
        self.rule = rule
        self.reason = reason
        self.policyVersion = policyVersion
    }
}
