import NetworkTypes

/// One flow that the FlowTable knows.
public struct TrackedFlow: Sendable {
    public enum State: UInt32, Sendable, Hashable {
        /// A verdict allowed it; connection tracking has not shown it yet.
        case admitted = 1
        case live = 2
        /// Admitted once and refused since; its conntrack entry stays.
        case denied = 3
    }

    public let key: FlowKey
    public internal(set) var state: State
    public internal(set) var originalDestination: IPAddress
    public internal(set) var originalDestinationPort: UInt16
    /// Of the conntrack entry; 0 until it was shown.
    public internal(set) var id: UInt32
    public let endpoint: EndpointID
    /// nil of a flow of whose verdict nothing is known.
    public internal(set) var admission: FlowAdmission?
    public internal(set) var traffic: FlowTraffic
    public internal(set) var start: Instant
    /// nil while it lives.
    public internal(set) var end: Instant?

    /// As it was seen last.
    var mark: FlowSight.Mark
    /// Taken over from the process before: what it has sent by now was counted there.
    var isRecovered: Bool
    /// The last sweep that has shown it, and how many complete ones since have not.
    var sweep: UInt64
    var missedSweeps: UInt8
    /// A verdict has told of it: its admission is its own, not that of another flow of its kind.
    var isTold: Bool
    /// A first packet was admitted after its entry was shown, and the entry was not shown since: the admission is that of the next entry with the
    /// same ends, if there is one.
    var isRetold = false
}
