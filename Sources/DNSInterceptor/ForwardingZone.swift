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
    public var options: ForwardingOptions

    public init(_ name: DomainName, upstreams: [UpstreamAddress], options: ForwardingOptions = ForwardingOptions()) {
        self.name = name
        self.upstreams = upstreams
        self.options = options
    }
}
