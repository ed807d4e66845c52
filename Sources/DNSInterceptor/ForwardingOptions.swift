/// How the upstreams of a zone are asked.
public struct ForwardingOptions: Sendable, Hashable {
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

    public init() {}

    /// The share of one of several workers, rounded up.
    func divided(among workers: Int) -> Self {
        var part = self
        part.queriesPerUpstreamMax = (queriesPerUpstreamMax + workers - 1) / workers
        part.connectionsPerUpstreamMax = (connectionsPerUpstreamMax + workers - 1) / workers
        return part
    }
}
