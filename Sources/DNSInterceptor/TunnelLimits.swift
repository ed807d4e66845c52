import DomainNames

/// What a client may say to the owner of a domain by the names that it asks for below it.
public struct TunnelLimits: Sendable {
    public enum Mode: String, Sendable, CaseIterable {
        /// Nothing is looked at.
        case disabled
        /// What would be refused is counted, and marked in the log.
        case observe
        case refuse
    }

    public var mode = Mode.observe
    /// Both limits must be passed, by one client and below one registered domain.
    public var freshNamesPerMinute = 100
    public var payloadBytesPerMinute = 2_048
    /// Names at or below these are not looked at.
    public var exemptZones = builtInExemptZones
    /// Pairs of client and domain that are kept in mind, of about 600 bytes each.
    public var trackedMax = 4_096

    public init() {}

    /// Below the first two names are made of addresses, many of which are looked up by whoever reads logs; the search lists of pods put every name that
    /// they ask for below the third.
    public static let builtInExemptZones: [DomainName] = ["in-addr.arpa", "ip6.arpa", "cluster.local"].compactMap {
        try? DomainName(parsing: $0)
    }
}
