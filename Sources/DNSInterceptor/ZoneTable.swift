import DomainNames

/// Finds the zone of a name: the longest that the name lies in, label by label (RFC 1034 §4.3.2), letter case aside (RFC 4343).
///
/// Looks up each ancestor of the name, at most 127, whatever the number of zones.
struct ZoneTable {
    /// Wire form in lower case to the zone's number. Zone 0 is the root's and not in it.
    private var numbers: [ArraySlice<UInt8>: Int] = [:]
    /// Ancestors that are longer, in bytes, are no zones.
    private var lengthMax = 0

    /// Zones in the order of their numbers; the first one takes what no other does. Of two of one name the first is found.
    init(_ zones: [DomainName]) {
        for (number, zone) in zones.enumerated().dropFirst() {
            let wire = zone.wire[...]
            if numbers[wire] == nil { numbers[wire] = number }
            lengthMax = max(lengthMax, wire.count)
        }
    }

    /// - Parameter name: uncompressed, root label included, as the scanner has walked it.
    func zone(of name: Span<UInt8>) -> Int {
        guard !numbers.isEmpty else { return 0 }
        var folded: [UInt8] = []
        folded.reserveCapacity(name.count)
        for index in 0..<name.count { folded.append(name[index] &- 65 < 26 ? name[index] | 0x20 : name[index]) }
        var start = 0
        while start < folded.count {
            if folded.count - start <= lengthMax, let number = numbers[folded[start...]] { return number }
            start += 1 + Int(folded[start])
        }
        return 0
    }
}
