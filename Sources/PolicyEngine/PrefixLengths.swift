import NetworkTypes

/// Which prefix lengths occur, by family.
struct PrefixLengths {
    private var v4: UInt64 = 0
    /// Lengths 0...127.
    private var v6: UInt128 = 0
    private var hasV6Hosts = false

    mutating func insert(_ prefix: IPPrefix) {
        switch prefix.address.family {
        case .v4: v4 |= 1 << UInt64(prefix.length)
        case .v6: if prefix.length == 128 { hasV6Hosts = true } else { v6 |= 1 << UInt128(prefix.length) }
        }
    }

    mutating func formUnion(_ other: PrefixLengths) {
        v4 |= other.v4
        v6 |= other.v6
        hasV6Hosts = hasV6Hosts || other.hasV6Hosts
    }

    var count4: Int { v4.nonzeroBitCount }
    var count6: Int { v6.nonzeroBitCount + (hasV6Hosts ? 1 : 0) }

    /// Those of IPv4, then those of IPv6.
    var longestFirst: [UInt8] {
        var result: [UInt8] = []
        for length in stride(from: 32, through: 0, by: -1) where v4 >> UInt64(length) & 1 == 1 { result.append(UInt8(length)) }
        if hasV6Hosts { result.append(128) }
        for length in stride(from: 127, through: 0, by: -1) where v6 >> UInt128(length) & 1 == 1 { result.append(UInt8(length)) }
        return result
    }
}

extension IPAddress {
    /// Without the bits behind the first `length`.
    @inlinable
    func masked(_ length: UInt8) -> IPAddress {
        switch family {
        case .v4: IPAddress(v4: length == 0 ? 0 : UInt32(truncatingIfNeeded: lower) & (.max << UInt32(32 &- length)))
        case .v6:
            if length >= 64 {
                IPAddress(v6Upper: upper, lower: length == 64 ? 0 : lower & (.max << UInt64(128 &- length)))
            } else {
                IPAddress(v6Upper: length == 0 ? 0 : upper & (.max << UInt64(64 &- length)), lower: 0)
            }
        }
    }
}
