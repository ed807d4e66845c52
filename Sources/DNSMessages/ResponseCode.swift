/// An RCODE of 12 bits: 4 in the header, the upper 8 in the OPT record (RFC 6895 §2.3).
public struct ResponseCode: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    public let rawValue: UInt16

    public init(rawValue: UInt16) { self.rawValue = rawValue & 0xfff }

    public static let noError = ResponseCode(rawValue: 0)
    public static let formatError = ResponseCode(rawValue: 1)
    public static let serverFailure = ResponseCode(rawValue: 2)
    public static let nameError = ResponseCode(rawValue: 3)
    public static let notImplemented = ResponseCode(rawValue: 4)
    public static let refused = ResponseCode(rawValue: 5)
    public static let badVersion = ResponseCode(rawValue: 16)
    /// RFC 7873 §8.
    public static let badCookie = ResponseCode(rawValue: 23)

    /// Whether it speaks of EDNS, signatures or cookies between two servers, and of nothing in the data: the IANA registry has no others from 16 to 23.
    public var isHopByHop: Bool { (16...23).contains(rawValue) }
}

extension ResponseCode: CustomStringConvertible {
    public var description: String {
        switch rawValue {
        case 0: "NOERROR"
        case 1: "FORMERR"
        case 2: "SERVFAIL"
        case 3: "NXDOMAIN"
        case 4: "NOTIMP"
        case 5: "REFUSED"
        case 6: "YXDOMAIN"
        case 16: "BADVERS"
        case 23: "BADCOOKIE"
        default: "RCODE\(rawValue)"
        }
    }
}
