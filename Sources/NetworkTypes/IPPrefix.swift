/// An address prefix in CIDR notation (RFC 4632, RFC 4291 §2.3). Host bits are zero.
public struct IPPrefix: Hashable, Sendable, BitwiseCopyable {
    public let address: IPAddress
    /// 0...32 for IPv4, 0...128 for IPv6.
    public let length: UInt8

    /// Clears the host bits of `address`; nil if `length` is out of range for the family.
    public init?(_ address: IPAddress, length: Int) {
        guard (0...address.family.addressBits).contains(length) else { return nil }
        self.length = UInt8(length)
        switch address.family {
        case .v4:
            let mask = length == 0 ? 0 : UInt32.max << UInt32(32 - length)
            self.address = IPAddress(v4: address.v4 & mask)
        case .v6:
            self.address = IPAddress(
                v6Upper: address.upper & Self.mask64(length), lower: address.lower & Self.mask64(length - 64))
        }
    }

    /// The prefix that holds one address.
    public init(_ address: IPAddress) {
        self.address = address
        length = UInt8(address.family.addressBits)
    }

    /// Reads `192.0.2.0/24`, `2001:db8::/32`, or an address without length for a host prefix. Host bits are cleared.
    public init?(parsing text: some StringProtocol) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard let first = parts.first, let address = IPAddress(parsing: first) else { return nil }
        switch parts.count {
        case 1:
            self.init(address)
        case 2:
            let digits = parts[1].utf8
            guard (1...3).contains(digits.count), digits.allSatisfy({ (48...57).contains($0) }),
                digits.count == 1 || digits.first != 48, let length = Int(parts[1])
            else { return nil }
            self.init(address, length: length)
        default:
            return nil
        }
    }

    @inlinable
    static func mask64(_ length: Int) -> UInt64 {
        length <= 0 ? 0 : length >= 64 ? .max : .max << UInt64(64 - length)
    }

    @inlinable
    public func contains(_ other: IPAddress) -> Bool {
        guard other.family == address.family else { return false }
        switch address.family {
        case .v4:
            return Self.mask64(Int(length) + 32) & other.lower == address.lower
        case .v6:
            return Self.mask64(Int(length)) & other.upper == address.upper
                && Self.mask64(Int(length) - 64) & other.lower == address.lower
        }
    }

    public func contains(_ other: IPPrefix) -> Bool {
        other.length >= length && contains(other.address)
    }
}

extension IPPrefix: CustomStringConvertible {
    public var description: String { "\(address)/\(length)" }
}

extension IPPrefix: Comparable {
    public static func < (left: IPPrefix, right: IPPrefix) -> Bool {
        left.address == right.address ? left.length < right.length : left.address < right.address
    }
}
