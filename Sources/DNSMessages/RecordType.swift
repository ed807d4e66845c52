/// A TYPE or QTYPE of two bytes (RFC 1035 §3.2.2 and the IANA registry).
public struct RecordType: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    public let rawValue: UInt16

    @inlinable
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    public static var a: RecordType { RecordType(rawValue: 1) }
    public static var ns: RecordType { RecordType(rawValue: 2) }
    public static var cname: RecordType { RecordType(rawValue: 5) }
    public static var soa: RecordType { RecordType(rawValue: 6) }
    public static var ptr: RecordType { RecordType(rawValue: 12) }
    public static var mx: RecordType { RecordType(rawValue: 15) }
    public static var txt: RecordType { RecordType(rawValue: 16) }
    public static var sig: RecordType { RecordType(rawValue: 24) }
    public static var key: RecordType { RecordType(rawValue: 25) }
    public static var aaaa: RecordType { RecordType(rawValue: 28) }
    public static var srv: RecordType { RecordType(rawValue: 33) }
    public static var dname: RecordType { RecordType(rawValue: 39) }
    public static var opt: RecordType { RecordType(rawValue: 41) }
    public static var ds: RecordType { RecordType(rawValue: 43) }
    public static var rrsig: RecordType { RecordType(rawValue: 46) }
    public static var nsec: RecordType { RecordType(rawValue: 47) }
    public static var nsec3: RecordType { RecordType(rawValue: 50) }
    public static var svcb: RecordType { RecordType(rawValue: 64) }
    public static var https: RecordType { RecordType(rawValue: 65) }
    public static var tkey: RecordType { RecordType(rawValue: 249) }
    public static var tsig: RecordType { RecordType(rawValue: 250) }
    public static var any: RecordType { RecordType(rawValue: 255) }

    /// A and AAAA.
    var isAddress: Bool { self == .a || self == .aaaa }
    /// HTTPS and SVCB, which may carry address hints.
    public var isServiceBinding: Bool { self == .https || self == .svcb }
    /// 0 and the meta types 249 to 255, of which no record exists in an answer.
    var isMeta: Bool { rawValue == 0 || (249...255).contains(rawValue) }
}

extension RecordType: CustomStringConvertible {
    /// The mnemonic of the common types, else `TYPE` and the number (RFC 3597 §5).
    public var description: String {
        switch self {
        case .a: "A"
        case .ns: "NS"
        case .cname: "CNAME"
        case .soa: "SOA"
        case .ptr: "PTR"
        case .mx: "MX"
        case .txt: "TXT"
        case .aaaa: "AAAA"
        case .srv: "SRV"
        case .dname: "DNAME"
        case .svcb: "SVCB"
        case .https: "HTTPS"
        case .any: "ANY"
        default: "TYPE\(rawValue)"
        }
    }
}
