import NetworkTypes

/// What the table's sets hold.
public struct TableContents: Sendable, Hashable {
    /// Sources that may come from workload interfaces (sets `known4`, `known6`).
    public var known: Set<KnownEndpoint>
    /// Addresses of endpoints that some policy selects (`policed4`, `policed6`).
    public var policed: Set<IPAddress>
    /// The generation of each policed address, 1...`MarkLayout.generationMax` (`current4`, `current6`). An address without one has
    /// every packet queued.
    public var current: [IPAddress: UInt32]
    /// Addresses of which no new flow passes (`capped4`, `capped6`).
    public var capped: Set<IPAddress>
    /// The same as `current` for classes of processes, which share the node's addresses (`classes4`, `classes6`).
    public var classes: Set<ClassGeneration>
    /// Whom the resolver asks (`upstreams4`, `upstreams6`).
    public var upstreams: Set<IPAddress>
    /// Resolvers whose answers to others are read (`trusted4`, `trusted6`).
    public var trusted: Set<IPAddress>

    public init(
        known: Set<KnownEndpoint> = [], policed: Set<IPAddress> = [], current: [IPAddress: UInt32] = [:], capped: Set<IPAddress> = [],
        classes: Set<ClassGeneration> = [], upstreams: Set<IPAddress> = [], trusted: Set<IPAddress> = []
    ) {
        self.classes = classes
        self.known = known
        self.policed = policed
        self.current = current
        self.capped = capped
        self.upstreams = upstreams
        self.trusted = trusted
    }
}
