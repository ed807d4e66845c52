import NetworkTypes
import PolicyModel

/// An endpoint, network set or slice of a service as a member of address sets.
final class MemberRecord {
    /// What decides its membership and what it brings with it.
    struct Content {
        enum Kind { case endpoint, networkSet, slice }

        var kind: Kind
        var labels: [String: String] = [:]
        var prefixes: [IPPrefix] = []
        /// With the TCP port that the name counts for, 0 for any. Acquired from the registry of patterns.
        var names: [(pattern: PatternNumber, port: UInt16)] = []
        /// Of the names' texts.
        var nameHash: UInt64 = 0
        var ports: [NamedPort] = []
        var service: AddressSetKind?
    }

    let number: UInt32
    var content: Content
    var addressHash: UInt64
    /// As `MemberSets` holds them.
    var entries: [UInt64] = []
    var published = MemberSets([])

    init(number: UInt32, _ content: Content) {
        self.number = number
        self.content = content
        addressHash = Self.hash(content.prefixes)
    }

    static func hash(_ prefixes: [IPPrefix]) -> UInt64 {
        var hash = StableHash()
        hash.combine(AddressRange.disjoint(prefixes))
        return hash.value
    }

    /// What it adds to the content hash of a set that it belongs to by this entry.
    func contribution(_ entry: UInt64) -> UInt64 {
        let port = entry & 0xffff_ffff
        return port == 0 ? StableHash.hash(addressHash, content.nameHash) : StableHash.hash(addressHash, port)
    }

    /// The entries by which it belongs to a set; none if it does not.
    func entries(in set: AddressSetRecord) -> [UInt64] {
        let base = UInt64(set.number) << 32
        switch set.kind {
        case .selector:
            guard content.kind != .slice, let selector = set.selector, selector.matches(content.labels) else { return [] }
            return [base]
        case .namedPort(let name, let transport, _):
            guard content.kind == .endpoint, let selector = set.selector else { return [] }
            let ports = content.ports.filter { $0.name == name && $0.protocol.rawValue == transport }
            guard !ports.isEmpty, selector.matches(content.labels) else { return [] }
            return Set(ports.map { base | UInt64(transport) << 16 | UInt64($0.port) }).sorted()
        case .service:
            guard content.kind == .slice, content.service == set.kind else { return [] }
            return Set(content.ports.map { base | UInt64($0.protocol.rawValue) << 16 | UInt64($0.port) }).sorted()
        }
    }
}
