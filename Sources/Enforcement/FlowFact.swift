import NetworkTypes
import PolicyEngine

/// A verdict of a flow of an endpoint, in words that outlive the policy: a FlowRecord whose numbers were looked up.
public struct FlowFact: Sendable {
    public let time: Instant
    public let flow: FlowTuple
    public let isAllowed: Bool
    /// The flow had been admitted before.
    public let isRedecision: Bool
    public let admission: FlowAdmission

    public init(time: Instant, flow: FlowTuple, isAllowed: Bool, isRedecision: Bool, admission: FlowAdmission) {
        self.time = time
        self.flow = flow
        self.isAllowed = isAllowed
        self.isRedecision = isRedecision
        self.admission = admission
    }
}
