import DomainNames
import NetworkTypes

/// Zones that this node answers for by itself, so that questions about them never leave it: special-use names (RFC 6761), the reverse zones of
/// addresses that mean something here only (RFC 6303 and the IANA registry "Locally-Served DNS Zones"), and the canary of browsers.
///
/// Of nested zones the innermost counts. One walk over the labels of a name, a look-up for each.
public struct LocalZones: Sendable {
    public enum Kind: Sendable, Hashable {
        /// `localhost` and everything below is the client's own loopback (RFC 6761 §6.3).
        case loopback
        /// The reverse of a loopback address: `localhost`.
        case loopbackPointer
        /// There is nothing below its apex.
        case empty
        /// There is not even its apex.
        case absent
        /// There is no data, whatever the name (`resolver.arpa`, RFC 9462 §6.4).
        case withoutData
        /// Asked upstream, though an outer zone is not.
        case forwarded
    }

    private var kinds: [ArraySlice<UInt8>: Kind] = [:]
    private var labelsMax = 0

    public init() {}

    public subscript(zone: DomainName) -> Kind? {
        get { kinds[zone.rootFirst[...]] }
        set {
            kinds[zone.rootFirst[...]] = newValue
            labelsMax = max(labelsMax, zone.labelCount)
        }
    }

    /// The innermost zone that a name is in, and what it is. Nil: an ordinary name.
    func zone(of name: DomainName) -> (zone: DomainName, kind: Kind)? {
        let bytes = name.rootFirst
        var found: (end: Int, kind: Kind)?
        var end = 0
        for _ in 0..<labelsMax {
            guard end < bytes.count else { break }
            end += 1 + Int(bytes[end])
            if let kind = kinds[bytes[..<end]] { found = (end, kind) }
        }
        guard let found, found.kind != .forwarded, let zone = try? DomainName(rootFirst: Array(bytes[..<found.end])) else { return nil }
        return (zone, found.kind)
    }

    // MARK: what is known

    /// What no resolver on the way could know more about. `test` and `example` are not among them: RFC 6761 §6.5 wants `example` asked as any name, and
    /// `test` (§6.2) is what people use for zones of their own behind the upstreams.
    public static let standard: LocalZones = {
        var zones = LocalZones()
        zones.add([("localhost", .loopback), ("resolver.arpa", .withoutData)])
        // RFC 6761 §6.4, RFC 7686 §2; https://support.mozilla.org/kb/canary-domain-use-application-dnsnet
        zones.add(["invalid", "onion", "use-application-dns.net"].map { ($0, .absent) })
        // RFC 6303 §4.2 to §4.6: this network, loopback, link-local, documentation, broadcast.
        zones.add(
            ["0", "127", "254.169", "2.0.192", "100.51.198", "113.0.203", "255.255.255.255"].map { ("\($0).in-addr.arpa", .empty) })
        zones.add(["8.e.f", "9.e.f", "a.e.f", "b.e.f", "8.b.d.0.1.0.0.2"].map { ("\($0).ip6.arpa", .empty) })
        zones[ReverseName.of(IPAddress(v6Upper: 0, lower: 0))] = .empty
        zones[ReverseName.of(IPAddress(v6Upper: 0, lower: 1))] = .loopbackPointer
        zones[ReverseName.of(IPAddress(v4: 0x7f00_0001))] = .loopbackPointer
        return zones
    }()

    /// As above, and what belongs to the site: the reverse zones of private addresses (RFC 6303 §4.1, §4.4, RFC 7793) and `home.arpa` (RFC 8375).
    /// Upstreams of the site may know them.
    public static let withPrivate: LocalZones = {
        var zones = standard
        let prefixes = ["10", "168.192"] + (16...31).map { "\($0).172" } + (64...127).map { "\($0).100" }
        zones.add(prefixes.map { ("\($0).in-addr.arpa", .empty) })
        zones.add([("d.f.ip6.arpa", .empty), ("home.arpa", .empty)])
        return zones
    }()

    private mutating func add(_ named: [(String, Kind)]) {
        for (text, kind) in named {
            guard let name = try? DomainName(parsing: text) else { preconditionFailure("\(text) is a domain name") }
            self[name] = kind
        }
    }
}
