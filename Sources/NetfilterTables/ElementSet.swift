import NetworkTypes

/// A set of the table. Types and lengths are those of the nft program, which needs them to print the elements.
struct ElementSet: Sendable, Hashable {
    /// How long the kernel remembers a verdict.
    static let leaseMilliseconds: UInt64 = 10_000
    static let leasesMax: UInt32 = 65_536
    /// How long an address stays in `asked`, `queried`, `begun` and `heard` after its last packet, and in `limited` after it was first held back.
    static let limitMilliseconds: UInt64 = 60_000
    /// As many endpoints as a node can have.
    static let limitedMax: UInt32 = 65_536

    let name: String
    /// The nft program's type numbers, 6 bits each, first key highest (nftables `include/datatype.h`).
    let keyType: UInt32
    /// In bytes.
    let keyLength: UInt32
    let isConcatenation: Bool
    /// What a key leads to, if this is a map.
    var data: (type: UInt32, length: UInt32)? { isLease ? (Self.typeMark, 4) : nil }
    /// A map that rules fill: bounded, and every element goes after `leaseMilliseconds`.
    var isLease = false
    /// A set that rules fill: at most `limitedMax` elements, each for `limitMilliseconds`.
    var isFilledByRules = false

    private static let typeIPv4: UInt32 = 7
    private static let typeIPv6: UInt32 = 8
    private static let typeProtocol: UInt32 = 12
    private static let typePort: UInt32 = 13
    private static let typeMark: UInt32 = 19
    private static let typeInterfaceName: UInt32 = 41

    static func known(_ family: IPFamily) -> ElementSet {
        ElementSet(
            name: family == .v4 ? "known4" : "known6", keyType: typeInterfaceName << 6 | addressType(family),
            keyLength: 16 + addressLength(family), isConcatenation: true)
    }

    static func policed(_ family: IPFamily) -> ElementSet {
        ElementSet(
            name: family == .v4 ? "policed4" : "policed6", keyType: addressType(family), keyLength: addressLength(family),
            isConcatenation: false)
    }

    static func current(_ family: IPFamily) -> ElementSet {
        ElementSet(
            name: family == .v4 ? "current4" : "current6", keyType: addressType(family) << 6 | typeMark,
            keyLength: addressLength(family) + 4, isConcatenation: true)
    }

    static func classes(_ family: IPFamily) -> ElementSet {
        ElementSet(
            name: family == .v4 ? "classes4" : "classes6", keyType: addressType(family) << 6 | typeMark,
            keyLength: addressLength(family) + 4, isConcatenation: true)
    }

    /// Kernel leases: (source, destination, protocol, destination port) to the mark that a verdict gave.
    static func leases(_ family: IPFamily) -> ElementSet {
        let address = addressType(family)
        return ElementSet(
            name: family == .v4 ? "leases4" : "leases6", keyType: address << 18 | address << 12 | typeProtocol << 6 | typePort,
            keyLength: 2 * addressLength(family) + 8, isConcatenation: true, isLease: true)
    }

    /// Sources of questions, each with its bucket.
    static func asked(_ family: IPFamily) -> ElementSet {
        ElementSet(
            name: family == .v4 ? "asked4" : "asked6", keyType: addressType(family), keyLength: addressLength(family),
            isConcatenation: false, isFilledByRules: true)
    }

    /// Sources of queries, sent to the resolver or brought to it, each with its bucket.
    static func queried(_ family: IPFamily) -> ElementSet {
        ElementSet(
            name: family == .v4 ? "queried4" : "queried6", keyType: addressType(family), keyLength: addressLength(family),
            isConcatenation: false, isFilledByRules: true)
    }

    /// Sources of new flows, each with its bucket.
    static func begun(_ family: IPFamily) -> ElementSet {
        ElementSet(
            name: family == .v4 ? "begun4" : "begun6", keyType: addressType(family), keyLength: addressLength(family),
            isConcatenation: false, isFilledByRules: true)
    }

    /// Endpoints of flows whose name is looked at, each with its bucket.
    static func heard(_ family: IPFamily) -> ElementSet {
        ElementSet(
            name: family == .v4 ? "heard4" : "heard6", keyType: addressType(family), keyLength: addressLength(family),
            isConcatenation: false, isFilledByRules: true)
    }

    /// Sources that were held back of late.
    static func limited(_ family: IPFamily) -> ElementSet {
        ElementSet(
            name: family == .v4 ? "limited4" : "limited6", keyType: addressType(family), keyLength: addressLength(family),
            isConcatenation: false, isFilledByRules: true)
    }

    /// Sources that have as many flows as they may.
    static func capped(_ family: IPFamily) -> ElementSet {
        ElementSet(
            name: family == .v4 ? "capped4" : "capped6", keyType: addressType(family), keyLength: addressLength(family),
            isConcatenation: false)
    }

    /// Whom the resolver asks.
    static func upstreams(_ family: IPFamily) -> ElementSet {
        ElementSet(
            name: family == .v4 ? "upstreams4" : "upstreams6", keyType: addressType(family), keyLength: addressLength(family),
            isConcatenation: false)
    }

    /// Whose answers to others are read.
    static func trusted(_ family: IPFamily) -> ElementSet {
        ElementSet(
            name: family == .v4 ? "trusted4" : "trusted6", keyType: addressType(family), keyLength: addressLength(family),
            isConcatenation: false)
    }

    static let all: [ElementSet] = [
        .known(.v4), .known(.v6), .policed(.v4), .policed(.v6), .current(.v4), .current(.v6), .leases(.v4), .leases(.v6),
        .asked(.v4), .asked(.v6), .queried(.v4), .queried(.v6), .begun(.v4), .begun(.v6), .heard(.v4), .heard(.v6),
        .limited(.v4), .limited(.v6), .capped(.v4), .capped(.v6),
        .classes(.v4), .classes(.v6), .upstreams(.v4), .upstreams(.v6), .trusted(.v4), .trusted(.v6),
    ]

    private static func addressType(_ family: IPFamily) -> UInt32 { family == .v4 ? typeIPv4 : typeIPv6 }
    private static func addressLength(_ family: IPFamily) -> UInt32 { family == .v4 ? 4 : 16 }

    // Keys of elements.

    static func key(_ endpoint: KnownEndpoint) -> [UInt8] {
        var name = Array(endpoint.interface.utf8.prefix(15))
        name += Array(repeating: 0, count: 16 - name.count)
        return name + endpoint.address.networkBytes
    }

    static func key(_ address: IPAddress) -> [UInt8] { address.networkBytes }

    static func key(_ address: IPAddress, mark: UInt32) -> [UInt8] { address.networkBytes + Expression.native(mark) }
}
