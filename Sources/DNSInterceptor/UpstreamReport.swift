import DomainNames

/// What an upstream of a zone has done since it is one, as of at most a second ago.
public struct UpstreamReport: Sendable {
    /// Upstreams of all zones that are reported: the first ones.
    public static let countMax = 256

    public internal(set) var zone: DomainName
    public internal(set) var upstream: UpstreamAddress
    /// Whether it is one now: of those that may change, it may have gone.
    public internal(set) var isListed = false
    public internal(set) var isUp = true
    public internal(set) var tally = UpstreamTally()
}
