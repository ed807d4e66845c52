import DomainNames
import Enforcement

/// The names at and below a zone, the upstreams that are asked for them, and how these are asked.
public struct ForwardingZone: Sendable {
    /// More upstreams of one zone are not looked at.
    public static let upstreamsMax = 64
    /// Of `live`, at one time; and the places of `upstreamsMax` that they take, as one that has gone keeps its own while questions to it are open.
    public static let liveMax = 8
    public static let livePlaces = 16

    public var name: DomainName
    /// Any of them may be asked for any name of the zone.
    public var upstreams: [UpstreamAddress]
    /// More of them, behind these, that may change: looked at once a second. None that is asked over TLS.
    public var live: Published<[UpstreamAddress]>?
    public var policy = UpstreamPolicy.latency
    /// Whether a second upstream is asked while the first is slower than it mostly is. Not under `sequential`, where the order is meant.
    public var hedges = true
    /// Every question goes over TCP.
    public var forcesTCP = false
    /// A question that came over TCP is asked over UDP first, like any other. Without it, it goes over TCP.
    public var prefersUDP = false
    /// Queries bear a DNS cookie, and replies over UDP are believed only with it once the upstream has answered with one (RFC 7873).
    public var sendsCookies = false
    /// Questions in flight to one upstream; more go to another one, or fail.
    public var queriesPerUpstreamMax = 2_048
    /// TCP connections to one upstream.
    public var connectionsPerUpstreamMax = 4
    /// A TCP connection without a question in flight is closed after this.
    public var idleSeconds = 10

    public init(_ name: DomainName, upstreams: [UpstreamAddress]) {
        self.name = name
        self.upstreams = upstreams
    }
}
