import DNSMessages
import DomainNames
import Enforcement

/// Limits and times of one DNS worker. The defaults are those of the shipped configuration.
public struct DNSWorkerConfiguration: Sendable {
    /// Upstreams of all names that lie in none of the other zones.
    public var root: ForwardingZone
    /// Zones with upstreams of their own: a name goes to the longest that it lies in. One that is named twice counts once, the first.
    public var zones: [ForwardingZone] = []
    /// `SO_MARK` of the worker's own upstream sockets, so that the table knows them; nil sets none.
    public var upstreamMark: UInt32?
    /// Questions go upstream in random letter case, which the reply must repeat (0x20).
    public var randomizesCase = true
    /// How long the first try, the second and so on wait for a reply; as many entries as tries.
    public var tryTimeoutsMilliseconds: [Int] = [800, 1_200, 1_500, 1_500]
    /// After this the client gets an answer, come what may.
    public var totalTimeoutMilliseconds = 5_000
    /// Failures in a row after which an upstream is passed over, and probed until it answers.
    public var failuresUntilDown = 3
    /// From one probe of an upstream to the next, and how long each waits. There is one at a time.
    public var probeMilliseconds = 500
    public var probeTimeoutMilliseconds = 1_000
    /// For the policy `latency`: without a question for so long, the time that an upstream took counts half.
    public var latencyHalvingMilliseconds = 10_000
    /// How long a TLS connection to an upstream may take until questions can go over it, TCP's part included.
    public var handshakeMilliseconds = 3_000
    /// Gets what an administrator should hear, on the worker's thread: it must not wait.
    public var tell: (@Sendable (UpstreamNotice) -> Void)?
    /// Replies that are not the one asked for, after which the query is repeated over TCP.
    public var wrongRepliesMax = 8
    /// Queries in flight towards upstreams; more are answered SERVFAIL.
    public var outstandingMax = 4_096
    /// Clients' queries that wait for upstream answers, in all and of one client: an endpoint, or an address that is none's. Where less than half of the
    /// room is left (here, and of ``ForwardingOptions/queriesPerUpstreamMax``), one client's may not be more than eight times what is left.
    public var waitersMax = 16_384
    public var waitersPerClientMax = 1_024

    /// To queries for names that policy keeps from the client.
    public var rejectResponse = RejectResponse.nameError
    public var rejectError = RejectError.blocked

    /// The first of the ports that name classes of the node's processes: class 1 and up to 14 ask here and on the ports that follow. Nil: none.
    public var classPort: UInt16?

    public var cacheBytesMax = 32 << 20
    public var cacheEntriesMax = 65_536
    public var positiveSecondsMax: UInt32 = 86_400
    public var negativeSecondsMax: UInt32 = 900
    /// Whether nothing is asked for below a name of which the cache has that it does not exist (RFC 8020).
    public var cutsAtNameErrors = false
    /// How long after its end an answer is given out where no other can be had (RFC 8767 §4); 0: never.
    public var staleSecondsMax: UInt32 = 3_600
    /// The TTL of an answer that is given out so, at most 30 s (RFC 8767 §4).
    public var staleAnswerSeconds: UInt32 = 30
    /// How long a client waits for upstreams before it gets such an answer (RFC 8767 §5); 0: not at all.
    public var staleClientTimeoutMilliseconds = 1_800
    /// An answer that was given out so often is fetched anew in the last tenth of its lifetime, when it is next asked for: 1 to 254; 0: never.
    public var prefetchHitsMin = 3
    /// Answers fetched anew at one time, for stale and soon stale ones that nobody waits for.
    public var refreshesMax = 256

    /// What is answered without asking anybody.
    public var local = Published(LocalData())
    /// What stub resolvers append to names.
    public var search = SearchSuffixes()

    /// How long a failure is answered from the cache (RFC 2308 §7.1, RFC 9520): 0 to 5 s.
    public var failureSeconds: UInt32 = 1

    /// Guards against data in the names that are asked for.
    public var tunnels: TunnelLimits = {
        var limits = TunnelLimits()
        limits.mode = .disabled
        return limits
    }()

    /// What clients are given of HTTPS and SVCB records.
    public var serviceBindings = ServiceBindingPolicy()

    /// Takes a record of every reply, for the log; nil: there is none.
    public var log: Ring<DNSLogRecord>?

    /// The largest UDP answer, and what is advertised to upstreams (DNS flag day 2020).
    public var datagramBytesMax = 1_232

    /// Answers of one turn that go to one socket of a client leave as one packet, which the kernel takes apart again.
    public var coalescesAnswers = true

    public var tcpIdleMilliseconds = 10_000
    public var tcpConnectionsMax = 256
    /// Those who are no clients have as many together.
    public var tcpConnectionsPerClientMax = 32
    /// Unanswered queries of one connection; beyond it the worker stops reading from it.
    public var tcpPipelineMax = 64
    /// Unsent answer bytes of one connection: beyond a quarter the worker stops reading from it, beyond this it hangs up.
    public var tcpUnsentBytesMax = 512 << 10

    /// Upstreams of the root zone.
    public init(upstreams: [UpstreamAddress]) { root = ForwardingZone(.root, upstreams: upstreams) }
}

extension DNSWorkerConfiguration {
    /// For one of several workers: its share of what is limited for the node, rounded up. What is limited for a client stays, as all of a client's
    /// queries come to one worker, but for connections, of which that worker has less.
    public func divided(among workers: Int) -> Self {
        func share(_ limit: Int) -> Int { (limit + workers - 1) / workers }
        var part = self
        part.cacheBytesMax = share(cacheBytesMax)
        part.cacheEntriesMax = share(cacheEntriesMax)
        for index in zones.indices { part.zones[index].options = zones[index].options.divided(among: workers) }
        part.root.options = root.options.divided(among: workers)
        part.outstandingMax = share(outstandingMax)
        part.waitersMax = share(waitersMax)
        part.refreshesMax = share(refreshesMax)
        part.tcpConnectionsMax = share(tcpConnectionsMax)
        part.tcpConnectionsPerClientMax = min(tcpConnectionsPerClientMax, max(1, part.tcpConnectionsMax / 2))
        return part
    }

    /// The class that a listening port names, 1...14; 0: none, the source address tells who asks.
    func classNumber(ofPort port: UInt16) -> UInt8 {
        guard let classPort, port >= classPort, port - classPort < 14 else { return 0 }
        return UInt8(port - classPort + 1)
    }

    /// `prefetchHitsMin` as the cache takes it: 255 for never.
    var prefetchHits: UInt8 { prefetchHitsMin > 0 ? UInt8(min(prefetchHitsMin, 254)) : .max }

    var keepsStale: Bool { staleSecondsMax > 0 }

    /// `failureSeconds` within what RFC 9520 §3.2 allows at the least and we want at the most.
    var failureLifetimeSeconds: UInt32 { min(failureSeconds, 5) }
}
