import DNSMessages
import NetworkTypes
import Synchronization

/// Replies to clients, by transport, address family, type, the bit DO, response code and where they came from: 85 KB of counters, of which few are ever used.
///
/// For metrics that are named as CoreDNS names them; a worker has one only if these are shown. One writer, any reader.
public final class DNSReplyTally: Sendable {
    /// Where a reply came from.
    public enum Source: Int, Sendable, CaseIterable {
        /// Out of the cache, with data.
        case success
        /// Out of the cache: no such name or data, or a failure.
        case denial
        case upstream
        /// Out of the cache, expired.
        case stale
        /// The node's own names.
        case local
        /// Nowhere.
        case refused

        init(_ lookup: DNSLogRecord.Lookup, isDenial: Bool = false) {
            switch lookup {
            case .hit: self = isDenial ? .denial : .success
            case .miss, .snooped: self = .upstream
            case .stale: self = .stale
            case .local: self = .local
            case .refused: self = .refused
            }
        }
    }

    /// How many replies of one kind there were.
    public struct Entry: Sendable {
        public let isTCP: Bool
        public let family: IPFamily
        /// As CoreDNS writes it: the mnemonic of a common type, or `other`.
        public let type: String
        /// DO of the query.
        public let isDNSSECOK: Bool
        /// The mnemonic of a common code, or `other`.
        public let code: String
        public let source: Source
        public let count: UInt64
    }

    private static let types = [
        "other", "A", "NS", "CNAME", "SOA", "PTR", "MX", "TXT", "AAAA", "SRV", "DS", "RRSIG", "NSEC", "DNSKEY", "NSEC3", "HTTPS", "ANY",
    ]
    private static let codes = [
        "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE",
        "BADVERS",
        "other",
    ]
    private static let sources = Source.allCases.count

    /// | transport | family | DO | type | code | source |
    private let cells = InlineArray<10_608, Atomic<UInt64>> { _ in Atomic(0) }

    init() { precondition(cells.count == 8 * Self.types.count * Self.codes.count * Self.sources, "a cell for each combination") }

    private static func place(of type: RecordType) -> Int {
        switch type.rawValue {
        case 1: 1
        case 2: 2
        case 5: 3
        case 6: 4
        case 12: 5
        case 15: 6
        case 16: 7
        case 28: 8
        case 33: 9
        case 43: 10
        case 46: 11
        case 47: 12
        case 48: 13
        case 50: 14
        case 65: 15
        case 255: 16
        default: 0
        }
    }

    private static func place(of code: ResponseCode) -> Int {
        code.rawValue <= 10 ? Int(code.rawValue) : code == .badVersion ? 11 : 12
    }

    func add(isTCP: Bool, _ family: IPFamily, isDNSSECOK: Bool, _ type: RecordType, _ code: ResponseCode, _ source: Source) {
        var index = (isTCP ? 4 : 0) + (family == .v6 ? 2 : 0) + (isDNSSECOK ? 1 : 0)
        index = index * Self.types.count + Self.place(of: type)
        index = index * Self.codes.count + Self.place(of: code)
        index = index * Self.sources + source.rawValue
        DNSCounters.add(1, to: cells[index])
    }

    /// What has been counted; nothing of what never was.
    public var entries: [Entry] {
        cells.indices.compactMap { index in
            let count = cells[index].load(ordering: .relaxed)
            guard count > 0, let source = Source(rawValue: index % Self.sources) else { return nil }
            let code = index / Self.sources
            let type = code / Self.codes.count
            let transport = type / Self.types.count
            return Entry(
                isTCP: transport & 4 != 0, family: transport & 2 != 0 ? .v6 : .v4, type: Self.types[type % Self.types.count],
                isDNSSECOK: transport & 1 != 0,
                code: Self.codes[code % Self.codes.count], source: source, count: count)
        }
    }
}
