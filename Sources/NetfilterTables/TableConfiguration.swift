import NetworkTypes

/// What the table `inet exeat` is made from, besides the contents of its sets.
public struct TableConfiguration: Sendable, Hashable {
    /// Interfaces behind which workloads live: names, or a prefix and `*` ("cali*", "veth0"). At most 15 bytes each.
    public var workloadInterfaces: [String]
    /// Prefixes that live only behind this node's workload interfaces: arriving anywhere else they are spoofed. Never a whole cluster's.
    public var podPrefixes: [IPPrefix]
    /// The queue numbers over which flows are spread; both directions of a flow go to the same one.
    public var queues: ClosedRange<UInt16>
    /// The queue numbers for packets of flows whose name is to be seen, spread alike. Whole packets are read from them.
    public var helloQueues: ClosedRange<UInt16>
    public var mark: MarkLayout
    public var mode: EnforcementMode
    /// Local addresses of the DNS interceptor; intercepted queries go to the first of their family.
    public var dnsListen: [IPAddress]
    public var dnsPort: UInt16
    /// Whether queries of policed endpoints to any server are brought to `dnsListen` (DNAT).
    public var interceptDNS: Bool
    /// Where intercepted queries come in over UDP; not `dnsPort`. Their replies need conntrack to find back, those from `dnsPort` do not.
    public var dnsInterceptPort: UInt16
    /// Whether nobody's queries to `dnsListen` and `dnsPort` are tracked, nor their answers, as with NodeLocal DNSCache (`NOTRACK`). Those that we have to
    /// translate ourselves are all the same.
    public var isDNSUntracked = false
    /// VXLAN to this UDP port is dropped when it comes from a workload, as is IP in IP (Calico: `vxlanPort`).
    public var vxlanPort: UInt16
    /// Whether workloads reach nothing of their own node but its resolver, whatever policy says (Calico: `defaultEndpointToHostAction`).
    public var isNodeClosed: Bool
    /// Whether verdicts may be remembered by destination (`leases4`, `leases6`), so that later flows to it are not asked for.
    public var hasLeases: Bool
    /// Whether packets of revoked flows are answered (TCP reset, ICMP error) or silently dropped.
    public var rejectsRevoked: Bool
    /// How many new questions of one address may go to the queue (`asked4`, `asked6`); nil: as many as come.
    public var questionLimit: RateLimit?
    /// How many queries of one workload's address may come to the resolver, sent to it or brought to it (`queried4`, `queried6`); nil: as many as come.
    public var queryLimit: RateLimit?
    /// How many new flows one workload's address may begin, leased or not (`begun4`, `begun6`); nil: as many as come.
    public var connectionLimit: RateLimit?
    /// How many packets of flows whose name is looked at may go to the queues of hellos (`heard4`, `heard6`); nil: as many as come.
    public var helloLimit: RateLimit?
    /// Whether new flows of the addresses in `capped4` and `capped6` are refused, leases or not.
    public var capsConnections: Bool
    /// Classes of the node's own processes; where two could match, the first does.
    public var classes: [ProcessClassRule] = []
    /// Whether processes of no class are not policed: there is no other host endpoint.
    public var isNodeOpen = false
    /// The user of this process: its own queries are brought nowhere.
    public var resolverUser: UInt32 = 0
    /// Whether answers to the node that no socket waits for are counted; those from upstreams (`TableContents.upstreams`) apart.
    public var countsUnaskedAnswers = false
    /// Whose answers from resolvers (`TableContents.trusted`) wait in `snoopQueue` until they are read, the questions before them too.
    public var snooping = DNSSnooping.none
    /// The queue number for these, whole packets.
    public var snoopQueue: UInt16
    public var queueBackend: QueueBackend
    public var ownership: TableOwnership
    /// The table's name: "exeat", another only in tests and probes.
    public var tableName: String

    public init(
        workloadInterfaces: [String], podPrefixes: [IPPrefix] = [], queues: ClosedRange<UInt16>, helloQueues: ClosedRange<UInt16>? = nil,
        mark: MarkLayout = .standard,
        mode: EnforcementMode = .enforce, dnsListen: [IPAddress] = [], dnsPort: UInt16 = 53, interceptDNS: Bool = false,
        dnsInterceptPort: UInt16 = 10_053, vxlanPort: UInt16 = 4_789, isNodeClosed: Bool = false, hasLeases: Bool = true,
        rejectsRevoked: Bool = true, questionLimit: RateLimit? = nil, queryLimit: RateLimit? = nil, connectionLimit: RateLimit? = nil,
        capsConnections: Bool = false,
        queueBackend: QueueBackend, ownership: TableOwnership,
        tableName: String = "exeat"
    ) {
        self.workloadInterfaces = workloadInterfaces
        self.podPrefixes = podPrefixes
        self.queues = queues
        self.helloQueues = helloQueues ?? Self.helloQueues(beside: queues)
        snoopQueue = Self.snoopQueue(beside: self.helloQueues, queues)
        self.mark = mark
        self.mode = mode
        self.dnsListen = dnsListen
        self.dnsPort = dnsPort
        self.interceptDNS = interceptDNS
        self.dnsInterceptPort = dnsInterceptPort
        self.vxlanPort = vxlanPort
        self.isNodeClosed = isNodeClosed
        self.hasLeases = hasLeases
        self.rejectsRevoked = rejectsRevoked
        self.questionLimit = questionLimit
        self.queryLimit = queryLimit
        self.connectionLimit = connectionLimit
        self.capsConnections = capsConnections
        self.queueBackend = queueBackend
        self.ownership = ownership
        self.tableName = tableName
    }

    /// The number right behind the others; before them where numbers end.
    public static func snoopQueue(beside helloQueues: ClosedRange<UInt16>, _ queues: ClosedRange<UInt16>) -> UInt16 {
        let last = max(helloQueues.upperBound, queues.upperBound)
        return last < .max ? last + 1 : min(helloQueues.lowerBound, queues.lowerBound) &- 1
    }

    /// As many numbers as there are queues, right behind them; before them where numbers end.
    public static func helloQueues(beside queues: ClosedRange<UInt16>) -> ClosedRange<UInt16> {
        let last = queues.upperBound.addingReportingOverflow(UInt16(clamping: queues.count))
        if !last.overflow { return queues.upperBound + 1...last.partialValue }
        let first = queues.lowerBound.subtractingReportingOverflow(UInt16(clamping: queues.count))
        return first.overflow ? queues : first.partialValue...queues.lowerBound - 1
    }
}
