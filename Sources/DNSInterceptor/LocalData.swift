import DNSMessages
import DomainNames
import NetworkTypes

/// Everything that this node answers for by itself. Immutable: a change is a new one (`Published`).
public struct LocalData: Sendable {
    public var zones: LocalZones
    public var hosts: HostTable
    /// Of `hosts`.
    public var hostSeconds: UInt32

    public init(zones: LocalZones = .standard, hosts: HostTable = HostTable(), hostSeconds: UInt32 = 60) {
        self.zones = zones
        self.hosts = hosts
        self.hostSeconds = hostSeconds
    }

    /// RFC 6303 §3.
    static let zoneSeconds: UInt32 = 10_800

    enum Source {
        case zone, hosts, search
    }

    /// Whether `hosts` has something to say about a name.
    func hasHost(_ name: DomainName) -> Bool { hosts.addresses[name] != nil || hosts.names[name] != nil || hosts.aliases[name] != nil }

    /// The answer to a question as a message, and whether its addresses lead anywhere but to the client itself; nil: it is to be asked upstream.
    func answer(_ key: CacheKey, _ name: DomainName, search: SearchSuffixes) -> (message: [UInt8], source: Source, teaches: Bool)? {
        let zone = zones.zone(of: name)
        if let zone, zone.kind == .loopback {
            let data: [UInt8]? =
                switch key.qtype {
                case .a: [127, 0, 0, 1]
                case .aaaa: [UInt8](repeating: 0, count: 15) + [1]
                default: nil
                }
            return (reply(key, name, zone: zone.zone, data: data.map { [$0] } ?? [], seconds: Self.zoneSeconds), .zone, false)
        }
        if let addresses = hosts.addresses[name] {
            return (reply(key, name, zone: name, data: Self.data(addresses, key.qtype), seconds: hostSeconds), .hosts, true)
        }
        if let targets = hosts.targets(of: name), let end = targets.last {
            // An alias is the answer to a question for aliases (RFC 1034 §3.6.2).
            let isWanted = key.qtype == .cname
            let data = isWanted ? [] : Self.data(hosts.addresses[end] ?? [], key.qtype)
            let shown = isWanted ? [targets[0]] : targets
            return (LocalMessage.alias(key, shown, data: data, isDenial: !isWanted && data.isEmpty, seconds: hostSeconds), .hosts, true)
        }
        if let host = hosts.names[name] {
            return (reply(key, name, zone: name, data: key.qtype == .ptr ? [host.wire] : [], seconds: hostSeconds), .hosts, false)
        }
        switch zone?.kind {
        case .loopbackPointer?:
            let data = key.qtype == .ptr ? [LocalMessage.localhost] : []
            return (reply(key, name, zone: name, data: data, seconds: Self.zoneSeconds), .zone, false)
        case .empty?:
            return zone.map {
                (reply(key, name, zone: $0.zone, data: [], seconds: Self.zoneSeconds, exists: $0.zone == name), .zone, false)
            }
        case .absent?:
            return zone.map { (LocalMessage.negative(key, zone: $0.zone, seconds: Self.zoneSeconds, exists: false), .zone, false) }
        case .withoutData?:
            return zone.map { (reply(key, name, zone: $0.zone, data: [], seconds: Self.zoneSeconds), .zone, false) }
        case .loopback?, .forwarded?, nil:
            guard let suffix = search.suffixOfPublicName(name) else { return nil }
            let seconds = max(1, search.negativeSecondsMin)
            return (LocalMessage.negative(key, zone: suffix, seconds: seconds, exists: false), .search, false)
        }
    }

    private static func data(_ addresses: [IPAddress], _ type: RecordType) -> [[UInt8]] {
        addresses.filter { $0.family == .v4 ? type == .a : type == .aaaa }.map(\.networkBytes)
    }

    /// Records of the type asked for; SOA and NS records at the apex of a zone; else none.
    private func reply(
        _ key: CacheKey, _ name: DomainName, zone: DomainName, data: [[UInt8]], seconds: UInt32, exists: Bool = true
    ) -> [UInt8] {
        if !data.isEmpty { return LocalMessage.positive(key, data: data, seconds: seconds) }
        if name == zone, key.qtype == .soa {
            return LocalMessage.positive(key, data: [LocalMessage.startOfAuthority(zone, seconds)], seconds: seconds)
        }
        if name == zone, key.qtype == .ns { return LocalMessage.positive(key, data: [zone.wire], seconds: seconds) }
        return LocalMessage.negative(key, zone: zone, seconds: seconds, exists: exists)
    }
}
