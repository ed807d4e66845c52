import NetworkTypes

/// A closed range of addresses of one family; sets of prefixes are kept as sorted, disjoint ranges.
@frozen
@usableFromInline
struct AddressRange: Hashable, Sendable, BitwiseCopyable {
    @usableFromInline let first: IPAddress
    @usableFromInline let last: IPAddress

    @usableFromInline
    init(first: IPAddress, last: IPAddress) {
        self.first = first
        self.last = last
    }

    init(_ prefix: IPPrefix) {
        first = prefix.address
        let host = prefix.address.family.addressBits - Int(prefix.length)
        switch prefix.address.family {
        case .v4:
            last = IPAddress(v4: prefix.address.v4 | (host == 32 ? .max : (1 << UInt32(host)) - 1))
        case .v6:
            let upperBits = max(host - 64, 0)
            let lowerBits = min(host, 64)
            last = IPAddress(
                v6Upper: prefix.address.upper | (upperBits == 64 ? .max : (1 << UInt64(upperBits)) - 1),
                lower: prefix.address.lower | (lowerBits == 64 ? .max : (1 << UInt64(lowerBits)) - 1))
        }
    }

    @inlinable
    static func precedes(_ left: IPAddress, _ right: IPAddress) -> Bool {
        if left.family != right.family { return left.family.rawValue < right.family.rawValue }
        return left.upper != right.upper ? left.upper < right.upper : left.lower < right.lower
    }

    /// Sorted and disjoint: what `CompiledPolicy` searches by halves.
    static func disjoint(_ prefixes: some Sequence<IPPrefix>) -> [AddressRange] {
        var result: [AddressRange] = []
        for range in prefixes.map(AddressRange.init).sorted(by: { precedes($0.first, $1.first) }) {
            if let previous = result.last, previous.first.family == range.first.family, !precedes(previous.last, range.first) {
                if precedes(previous.last, range.last) { result[result.count - 1] = AddressRange(first: previous.first, last: range.last) }
            } else {
                result.append(range)
            }
        }
        return result
    }
}
