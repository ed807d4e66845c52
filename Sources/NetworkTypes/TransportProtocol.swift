/// The protocol above IP: the protocol field of IPv4, the last next-header field of IPv6 (IANA protocol numbers).
public struct TransportProtocol: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    public let rawValue: UInt8

    @inlinable
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    @inlinable public static var icmp: Self { Self(rawValue: 1) }
    @inlinable public static var tcp: Self { Self(rawValue: 6) }
    @inlinable public static var udp: Self { Self(rawValue: 17) }
    @inlinable public static var gre: Self { Self(rawValue: 47) }
    @inlinable public static var icmpv6: Self { Self(rawValue: 58) }
    @inlinable public static var sctp: Self { Self(rawValue: 132) }
    @inlinable public static var udpLite: Self { Self(rawValue: 136) }

    /// Whether the header begins with a source and a destination port.
    @inlinable
    public var hasPorts: Bool { self == .tcp || self == .udp || self == .sctp || self == .udpLite }

    private static let names: [(String, TransportProtocol)] = [
        ("TCP", .tcp), ("UDP", .udp), ("ICMP", .icmp), ("ICMPv6", .icmpv6), ("SCTP", .sctp), ("UDPLite", .udpLite), ("GRE", .gre),
    ]

    /// Calico's protocol names, in any case, or a number from 1 to 255.
    public init?(parsing text: some StringProtocol) {
        let wanted = text.lowercased()
        if let found = Self.names.first(where: { $0.0.lowercased() == wanted }) {
            self = found.1
        } else if let number = UInt8(wanted), number > 0, wanted.utf8.first != UInt8(ascii: "+") {
            self.init(rawValue: number)
        } else {
            return nil
        }
    }
}

extension TransportProtocol: CustomStringConvertible {
    public var description: String { Self.names.first { $0.1 == self }?.0 ?? "\(rawValue)" }
}
