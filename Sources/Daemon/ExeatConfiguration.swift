import DNSInterceptor
import DNSMessages
import DomainNames
import Enforcement
import NetfilterTables
import NetworkTypes
import PolicyEngine
import PolicyModel
import Telemetry

/// What `exeat.yaml` says. Every field has a default; docs/configuration.md and config/exeat.yaml list them.
public struct ExeatConfiguration: Sendable {
    public enum StartFailure: String, Sendable, CaseIterable {
        /// Workload interfaces reach nothing until a good start.
        case closed
        /// The node is left as it was.
        case open
    }

    public enum ExistingFlows: String, Sendable, CaseIterable {
        /// Flows from before the first start go on until their endpoint's policy changes.
        case keep
        /// They are decided as new ones.
        case reevaluate
    }

    public struct Upstream: Sendable, Hashable {
        public var address: IPAddress
        public var port: UInt16
        /// Nil: over UDP and TCP.
        public var tls: TLS?
    }

    public struct Listener: Sendable, Hashable {
        public var address: IPAddress
        public var port: UInt16
        public init(address: IPAddress, port: UInt16) {
            self.address = address
            self.port = port
        }
    }

    public struct DNS: Sendable {
        public var listen: [IPAddress] = []
        /// Gets those of `listen` that are on no interface.
        public var interface: String?
        public var port: UInt16 = 53
        /// Of all names that lie in none of `zones`.
        public var upstreams: [Upstream] = []
        /// A `resolv.conf` that names more of them, or a service (`ServiceReference`) behind which more are.
        public var upstreamSource: String?
        /// How they are asked, and those of zones that do not say it themselves.
        public var forwarding = ForwardingOptions()
        /// Zones below the root with upstreams of their own, each once.
        public var zones: [Zone] = []
        /// Sources beside the endpoints and the node itself that may ask.
        public var allowFrom: [IPPrefix] = []
        /// Whether port 53 of policed endpoints is brought here whatever server they ask.
        public var intercepts = true
        /// Whose answers from trusted resolvers are read on their way.
        public var snooping = DNSSnooping.none
        /// Whether nobody's queries to `listen` are tracked.
        public var isDNSUntracked = false
        /// Where intercepted queries come in over UDP, on the first address of each family.
        public var interceptPort: UInt16 = 10_053
        /// The first of the 14 ports to which classes of the node's processes are brought.
        public var classPort: UInt16 = 10_054
        /// Threads that answer queries, each with sockets, cache and upstream connections of its own.
        public var workers = 1
        /// Whether answers that go to one socket at one time leave as one packet.
        public var coalescesAnswers = true
        public var cacheBytesMax = 32 << 20
        /// The longest that the word that there is no such name or data is kept.
        public var negativeSecondsMax: UInt32 = 900
        /// Whether nothing is asked for below a name that is known not to exist (RFC 8020).
        public var cutsAtNameErrors = false
        /// How long a failure is answered without asking again.
        public var failureSeconds: UInt32 = 1
        public var stale = ServeStale()
        public var prefetch = Prefetch()
        public var localZones = LocalZoneChoice()
        /// Names with addresses, beside those of `hostFiles`.
        public var records = HostTable()
        public var hostFiles: [String] = []
        public var hostSeconds: UInt32 = 60
        public var search = SearchSuffixes()
        public var rebinding = RebindingGuard()
        /// For endpoints of which no policy says it (`exeat.io/query-policy`).
        public var queryPolicy = QueryPolicy.any
        /// Names at or below these may be asked for by anybody whom no rule denies them.
        public var queryExemptZones: [DomainName] = []
        /// Against data in the names that endpoints ask for.
        public var tunnels = TunnelLimits()
        /// What clients are given of HTTPS and SVCB records.
        public var serviceBindings = ServiceBindingPolicy()
        /// To queries for names that policy keeps from the client.
        public var rejectResponse = RejectResponse.nameError
        public var rejectError = RejectError.blocked
        /// Built-in rules against resolving elsewhere.
        public var refusesDNSOverTLS = true
        public var refusesDNSOverQUIC = true
        public var refusesDNSOverHTTPS = true
        public var refusesForeignDNS = true
        public var dohAddresses = BuiltInRules.publicResolvers
        /// What the node's processes resolve by: looked at for stub resolvers, never changed.
        public var resolvConf = "/etc/resolv.conf"
    }

    /// Answers that have expired where no other can be had (RFC 8767).
    public struct ServeStale: Sendable {
        public var isEnabled = true
        public var staleSecondsMax: UInt32 = 3_600
        public var answerSeconds: UInt32 = 30
        public var clientTimeoutMilliseconds = 1_800
    }

    /// Answers that are asked for often are fetched before they expire.
    public struct Prefetch: Sendable {
        public var isEnabled = true
        public var hitsMin = 3
    }

    /// Zones that are answered without asking anybody.
    public struct LocalZoneChoice: Sendable {
        public enum PrivateReverse: String, Sendable, CaseIterable {
            /// Asked upstream if one of the upstreams has an address of the site itself.
            case auto
            case local
            case forward
        }

        public var isEnabled = true
        public var privateReverse = PrivateReverse.auto
        public var forward: [DomainName] = []
        public var empty: [DomainName] = []
    }

    public struct Queues: Sendable {
        public var first: UInt16 = 100
        public var count = 1
        /// Packets that may wait in one queue.
        public var lengthMax: UInt32 = 8_192
    }

    /// Of one endpoint, so that none takes what all share.
    public struct Limits: Sendable {
        /// First packets to the queue, and how many at once after a pause; 0: as many as come.
        public var questionsPerSecond = 2_000
        public var questionsBurst = 1_000
        /// Packets to the queues of hellos, and how many at once after a pause; 0: as many as come.
        public var hellosPerSecond = 20_000
        public var hellosBurst = 10_000
        /// Queries to the resolver, sent to it or brought to it, and how many at once after a pause; 0: as many as come.
        public var queriesPerSecond = 10_000
        public var queriesBurst = 5_000
        /// New flows, also those that a kernel lease lets pass, and how many at once after a pause; 0: as many as come.
        public var connectionsPerSecond = 5_000
        public var connectionsBurst = 2_500
        /// Flows in connection tracking; 0: as many as come; nil: what `standardConnections` gives.
        public var connectionsPerEndpoint: Int?

        /// A quarter of what connection tracking holds on this node, so that no endpoint fills it, and at most three quarters of the flow table.
        static func standardConnections(conntrackMax: Int?, flowsMax: Int) -> Int {
            min((conntrackMax ?? 262_144) / 4, flowsMax / 4 * 3)
        }
    }

    /// As many as `queues`, right behind them: whole packets of flows whose name is to be seen.
    public var helloQueues: ClosedRange<UInt16> {
        TableConfiguration.helloQueues(beside: queues.first...(queues.first + UInt16(queues.count - 1)))
    }

    /// Right behind the others: DNS that is read on its way.
    public var snoopQueue: UInt16 {
        TableConfiguration.snoopQueue(beside: helloQueues, queues.first...(queues.first + UInt16(queues.count - 1)))
    }

    /// Packets that wait for an answer that is on its way to their client.
    public struct Hold: Sendable {
        /// The longest that one waits; 0: none does.
        public var milliseconds: UInt32 = 100
        /// Of one queue.
        public var packets = 1_024

        var isOn: Bool { milliseconds > 0 }
    }

    public struct FlowLog: Sendable {
        /// nil: no log.
        public var path: String?
        /// The file is renamed to `<path>.1` beyond this and begun anew.
        public var bytesMax = 64 << 20
    }

    /// Queries and what was answered to them.
    public struct DNSLog: Sendable {
        public enum Aggregation: String, Sendable, CaseIterable {
            /// One line for each reply.
            case none
            /// One for equal lookups of one client within an interval.
            case client
            /// One for those of all pods whose names differ in what was generated.
            case workload
        }

        /// nil: no log.
        public var path: String?
        /// The file is renamed to `<path>.1` beyond this and begun anew.
        public var bytesMax = 64 << 20
        public var aggregation = Aggregation.client
        public var flushSeconds = 60
        /// Lookups that are put together at a time; when there are more, lines are written early.
        public var entriesMax = 4_096
        /// Of one interval; what comes beyond is only counted. 0: as many as come.
        public var linesMax = 0
        public var names = LoggedNames.Extent.full
    }

    public var mode = VerdictEngine.Mode.enforce
    public var denyAction = VerdictEngine.DenyAction.reject
    public var startFailure = StartFailure.closed
    public var existingFlows = ExistingFlows.reevaluate
    public var unselectedAllowed = true
    /// Whether every policy with names in Allow rules is exclusive (`exeat.io/exclusive`).
    public var exclusiveDomains = false
    /// For policies that do not say it themselves (`exeat.io/verify-name`).
    public var verifyName = NameVerification.observe
    /// This node's name in the endpoints' `node`; nil: all of them are of this node.
    public var node: String?
    public var policies = "policies"
    /// Where the endpoints of this node are described; nil: among the policies.
    public var endpoints: String?
    /// Whom the daemon becomes at its start.
    public var user = "exeat"
    public var runtimeDirectory = "/run/exeat"
    public var workloadInterfaces: [String] = []
    public var podPrefixes: [IPPrefix] = []
    public var endpointsMax = 4_096
    public var dns = DNS()
    public var bindings = BindingLimits()
    public var queues = Queues()
    public var limits = Limits()
    public var hold = Hold()
    public var markMask: UInt32 = 0x1f7f
    /// Whether the kernel may remember verdicts by destination for some seconds.
    public var hasKernelLeases = true
    public var metrics = Listener(address: IPAddress(v4: 0), port: 9_253)
    /// Whether DNS metrics are also shown under the names that CoreDNS gives them.
    public var hasCoreDNSNames = false
    public var health: Listener? = Listener(address: IPAddress(v4: 0), port: 8_080)
    public var flowLog = FlowLog()
    public var dnsLog = DNSLog()
    /// Live flows that the FlowTable holds.
    public var flowsMax = 65_536

    /// Fields that the file gave and that a FelixConfiguration could give too.
    var given: Set<String> = []
    /// Whether files of authorities are tried while this is read.
    var triesAuthorities = false

    public init() {}

    /// What the compiler has to know of it.
    public var policyOptions: PolicyOptions {
        PolicyOptions(
            unselectedAllowed: unselectedAllowed, exclusiveByDefault: exclusiveDomains, nameVerification: verifyName,
            queryPolicy: dns.queryPolicy, queryExemptZones: dns.queryExemptZones,
            builtIns: BuiltInRules(
                refusesDNSOverTLS: dns.refusesDNSOverTLS, refusesDNSOverQUIC: dns.refusesDNSOverQUIC,
                dnsOverHTTPSAddresses: dns.refusesDNSOverHTTPS ? dns.dohAddresses : [],
                // Where Exeat serves no DNS, there is nothing to ask instead.
                resolvers: dns.refusesForeignDNS && (!dns.listen.isEmpty || dns.snooping == .all) ? Set(dns.listen) : nil,
                allowsTrustedResolvers: dns.snooping == .all),
            trustedResolvers: trustedResolvers([]), node: node)
    }

    /// Services that stand for upstreams, each once.
    public var upstreamServices: [ServiceReference] {
        Set(([dns.upstreamSource] + dns.zones.map(\.upstreamSource)).compactMap { $0.flatMap(ServiceReference.init(parsing:)) })
            .sorted { $0.description < $1.description }
    }

    /// Whom the node asks, with the servers that files and services name. Nil where Exeat asks nobody: then nobody is known to be asked.
    func trustedResolvers(_ servers: [TrustedResolver]) -> [TrustedResolver]? {
        guard !dns.upstreams.isEmpty || dns.upstreamSource != nil else { return nil }
        return dns.allUpstreams.map { TrustedResolver(address: $0.address, port: $0.port, isSecure: $0.tls != nil) }
            + servers
    }

    /// What `dns.localZones` comes to, seen from where the upstreams are.
    var localZones: LocalZones {
        let choice = dns.localZones
        guard choice.isEnabled else { return LocalZones() }
        // Who stands in a `resolv.conf` changes, and is the site's resolver more often than not.
        let hasSiteUpstream = dns.upstreamSource != nil || dns.upstreams.contains { RebindingGuard.isInside($0.address) }
        let isPrivateLocal = choice.privateReverse == .local || (choice.privateReverse == .auto && !hasSiteUpstream)
        var zones = isPrivateLocal ? LocalZones.withPrivate : .standard
        for name in choice.empty { zones[name] = .empty }
        for zone in dns.zones { zones[zone.name] = .forwarded }
        for name in choice.forward { zones[name] = .forwarded }
        return zones
    }

    /// `dns.classPort` of a class, 1...14.
    func classPort(_ number: UInt8) -> UInt16 { dns.classPort + UInt16(number) - 1 }

    /// Whether an endpoint whose `node` is this is one of this node.
    public func isLocal(_ endpointNode: String?) -> Bool { node == nil || endpointNode == nil || node == endpointNode }
}
