import DomainNames
import NetworkTypes

/// What is in a reply of our own, in words: read again from its first bytes, of which the end may be missing. For logs; allocates.
public struct ReplyText: Sendable {
    /// A record of the answer section.
    public struct Record: Sendable, Hashable {
        public let owner: DomainName
        public let type: RecordType
        /// In presentation form (RFC 1035 §5.1, RFC 2782, RFC 3597 §5 for types that it has no form for); a domain name without its last dot.
        public let data: String
    }

    /// In lower case.
    public let qname: DomainName
    public let qtype: RecordType
    /// The four bits in the header.
    public let rcode: ResponseCode
    public let isTruncated: Bool
    private let questionEnd: Int
    private let answerCount: Int

    /// Nil unless the question is whole.
    public init?(_ bytes: Span<UInt8>) {
        guard bytes.count > MessageScanner.headerLength, let (name, end) = Self.name(bytes, at: MessageScanner.headerLength),
            end + 4 <= bytes.count
        else { return nil }
        qname = name
        qtype = RecordType(rawValue: bytes.read16(at: end))
        rcode = ResponseCode(rawValue: UInt16(bytes[3] & 0x0f))
        isTruncated = bytes[2] & 0x02 != 0
        questionEnd = end + 4
        answerCount = Int(bytes.read16(at: 6))
    }

    /// The records of the answer section that are there as a whole, and how many are missing. `bytes` are those that this was made of.
    public func records(in bytes: Span<UInt8>) -> (records: [Record], missing: Int) {
        var records: [Record] = []
        var offset = questionEnd
        for index in 0..<answerCount {
            guard let (owner, end) = Self.name(bytes, at: offset), end + 10 <= bytes.count else { return (records, answerCount - index) }
            let data = end + 10
            let dataEnd = data + Int(bytes.read16(at: end + 8))
            guard dataEnd <= bytes.count else { return (records, answerCount - index) }
            let type = RecordType(rawValue: bytes.read16(at: end))
            records.append(Record(owner: owner, type: type, data: Self.text(bytes, data..<dataEnd, type)))
            offset = dataEnd
        }
        return (records, 0)
    }

    /// The name at `offset`, and where its part in place ends; nil if it is not whole. Nothing behind that end is read, so that it is the same in a part of the
    /// message that has it.
    private static func name(_ bytes: Span<UInt8>, at start: Int) -> (DomainName, end: Int)? {
        var wire: [UInt8] = []
        var offset = start
        var end: Int?
        while true {
            let limit = end ?? bytes.count
            guard offset < limit else { return nil }
            let length = Int(bytes[offset])
            if length >> 6 == 3 {
                guard offset + 2 <= limit else { return nil }
                let target = Int(bytes.read16(at: offset) & 0x3fff)
                if end == nil { end = offset + 2 }
                // Backward only, so that it comes to an end.
                guard target < offset else { return nil }
                offset = target
                continue
            }
            guard length < 64, offset + length < limit, wire.count + length < DomainName.wireBytesMax else { return nil }
            for index in 0...length { wire.append(bytes[offset + index]) }
            offset += length + 1
            guard length == 0 else { continue }
            guard let name = try? DomainName(wire: wire.span) else { return nil }
            return (name, end ?? offset)
        }
    }

    private static func text(_ bytes: Span<UInt8>, _ range: Range<Int>, _ type: RecordType) -> String {
        special(bytes, range, type) ?? generic(bytes, range)
    }

    private static func special(_ bytes: Span<UInt8>, _ range: Range<Int>, _ type: RecordType) -> String? {
        /// Numbers of two bytes each, and the name behind them that ends the data.
        func numbersAndName(_ count: Int) -> String? {
            let start = range.lowerBound + 2 * count
            guard start < range.upperBound, let (name, end) = name(bytes, at: start), end == range.upperBound else { return nil }
            return (0..<count).map { "\(bytes.read16(at: range.lowerBound + 2 * $0)) " }.joined() + name.description
        }
        switch type {
        case .a, .aaaa: return IPAddress(networkBytes: bytes.extracting(range))?.description
        case .cname, .dname, .ns, .ptr: return numbersAndName(0)
        case .mx: return numbersAndName(1)
        case .srv: return numbersAndName(3)
        case .txt: return strings(bytes, range)
        case .soa:
            guard let (server, next) = name(bytes, at: range.lowerBound), let (mailbox, end) = name(bytes, at: next),
                end + 20 == range.upperBound
            else { return nil }
            return "\(server) \(mailbox) " + (0..<5).map { "\(bytes.read32(at: end + 4 * $0))" }.joined(separator: " ")
        default: return nil
        }
    }

    /// Character strings in quotes (RFC 1035 §3.3.14), with `\DDD` for what is not printable.
    private static func strings(_ bytes: Span<UInt8>, _ range: Range<Int>) -> String? {
        var parts: [String] = []
        var offset = range.lowerBound
        while offset < range.upperBound {
            let end = offset + 1 + Int(bytes[offset])
            guard end <= range.upperBound else { return nil }
            var part = "\""
            for index in offset + 1..<end {
                switch bytes[index] {
                case UInt8(ascii: "\""), UInt8(ascii: "\\"): part += "\\" + String(UnicodeScalar(bytes[index]))
                case 0x20...0x7e: part += String(UnicodeScalar(bytes[index]))
                default:
                    let digits = String(bytes[index])
                    part += "\\" + String(repeating: "0", count: 3 - digits.count) + digits
                }
            }
            parts.append(part + "\"")
            offset = end
        }
        return parts.joined(separator: " ")
    }

    /// RFC 3597 §5.
    private static func generic(_ bytes: Span<UInt8>, _ range: Range<Int>) -> String {
        let digits = Array("0123456789abcdef")
        var text = "\\# \(range.count)" + (range.isEmpty ? "" : " ")
        for index in range {
            text.append(digits[Int(bytes[index] >> 4)])
            text.append(digits[Int(bytes[index] & 15)])
        }
        return text
    }
}

extension ResponseCode {
    /// As the IANA registry writes it: `NoError`, `NXDomain`.
    public var registryName: String {
        switch rawValue {
        case 0: "NoError"
        case 1: "FormErr"
        case 2: "ServFail"
        case 3: "NXDomain"
        case 4: "NotImp"
        case 5: "Refused"
        case 6: "YXDomain"
        case 7: "YXRRSet"
        case 8: "NXRRSet"
        case 9: "NotAuth"
        case 10: "NotZone"
        case 16: "BADVERS"
        default: "RCODE\(rawValue)"
        }
    }
}
