import NetworkTypes

/// A packet of a flood in memory of its own, changed from one to the next: a flood must cost less than what it floods.
struct FloodPacket {
    enum Kind: Sendable {
        /// TCP SYNs to `count` addresses from `first` on, each from another port or to another address.
        case connections(first: UInt32, count: UInt32, port: UInt16)
        /// UDP queries for the address of names that nobody has asked for.
        case freshNames(server: UInt32)
    }

    private(set) var bytes: [UInt8]
    private(set) var target: UInt32
    private let kind: Kind
    /// Of what does not change: pseudo-header and segment without destination, source port and checksum.
    private var constantSum: UInt32 = 0
    private static let firstPort: UInt16 = 5_000
    private static let portCount = 60_000
    /// Of the IPv4 header, without options.
    private static let headerLength = 20
    private static let digits = 10

    init(_ kind: Kind, source: UInt32) {
        self.kind = kind
        switch kind {
        case .connections(let first, _, let port):
            target = first
            // RFC 9293 §3.1: a SYN without options.
            let segment = [0, 0] + Self.two(port) + [0, 0, 1, 0, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0]
            bytes = Self.header(source, first, 6, segment.count) + segment
            let pseudoHeader = Self.four(source) + [0, 6] + Self.two(UInt16(segment.count))
            for (index, byte) in (pseudoHeader + segment).enumerated() { constantSum += UInt32(byte) << (index % 2 == 0 ? 8 : 0) }
        case .freshNames(let server):
            target = server
            let query = DNSLoad.query("f" + String(repeating: "0", count: Self.digits) + "." + BenchPolicy.zone)
            // Without a checksum (RFC 768).
            let datagram = [0, 0] + Self.two(53) + Self.two(UInt16(8 + query.count)) + [0, 0] + query
            bytes = Self.header(source, server, 17, datagram.count) + datagram
        }
    }

    /// Makes it the packet of this number.
    mutating func prepare(_ number: Int) {
        let port = Self.firstPort + UInt16(number % Self.portCount)
        set(Self.headerLength, port)
        switch kind {
        case .connections(let first, let count, _):
            target = first + UInt32(truncatingIfNeeded: number / Self.portCount) % count
            set(16, UInt16(target >> 16))
            set(18, UInt16(truncatingIfNeeded: target))
            // RFC 1071.
            var sum = constantSum + UInt32(port) + target >> 16 + target & 0xffff
            while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
            set(Self.headerLength + 16, ~UInt16(truncatingIfNeeded: sum))
        case .freshNames:
            // UDP header, DNS header, the label's length and its first letter.
            var place = Self.headerLength + 8 + 12 + 2 + Self.digits
            var rest = number
            for _ in 0..<Self.digits {
                place -= 1
                bytes[place] = 0x30 + UInt8(rest % 10)
                rest /= 10
            }
        }
    }

    private mutating func set(_ place: Int, _ value: UInt16) {
        bytes[place] = UInt8(value >> 8)
        bytes[place + 1] = UInt8(truncatingIfNeeded: value)
    }

    /// RFC 791 §3.1; the kernel puts length and checksum in.
    private static func header(_ source: UInt32, _ target: UInt32, _ transport: UInt8, _ length: Int) -> [UInt8] {
        [0x45, 0] + two(UInt16(20 + length)) + [0, 0, 0, 0, 64, transport, 0, 0] + four(source) + four(target)
    }

    private static func two(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(truncatingIfNeeded: value)] }

    private static func four(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }
}
