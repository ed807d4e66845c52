extension ServiceParameters {
    private static let mandatory: UInt16 = 0
    private static let alpn: UInt16 = 1
    private static let noDefaultALPN: UInt16 = 2
    private static let ech: UInt16 = 5

    /// The checked parameters between two offsets without what `policy` takes out; nil if nothing is to be taken out.
    ///
    /// The order of keys stays. What is gone is in `mandatory` no longer, as that may only name what is there (RFC 9460 §8), and an empty `mandatory`
    /// goes too. Without `alpn`, `no-default-alpn` means nothing and would spoil the record (§7.1.1): it goes with it, and the client uses
    /// the default protocol of the scheme.
    static func stripped(
        _ bytes: Span<UInt8>, from start: Int, to end: Int, keepsHints: Bool, _ policy: ServiceBindingPolicy,
        _ count: inout StrippedParameters
    ) -> [UInt8]? {
        // Keys below 16 are all that is ever taken out.
        var removed: UInt16 = 0
        var protocols: [UInt8]?
        var offset = start
        while offset < end {
            let key = bytes.read16(at: offset)
            let valueEnd = offset + 4 + Int(bytes.read16(at: offset + 2))
            if isHint(key), !keepsHints {
                removed |= 1 << key
                count.hints += 1
            } else if key == ech, policy.ech == .strip {
                removed |= 1 << key
                count.ech += 1
            } else if key == alpn, policy.http3 == .strip, let left = protocolsWithoutHTTP3(bytes, from: offset + 4, to: valueEnd) {
                protocols = left
                count.http3 += 1
                if left.isEmpty { removed |= 1 << alpn | 1 << noDefaultALPN }
            }
            offset = valueEnd
        }
        guard removed != 0 || protocols != nil else { return nil }
        var result: [UInt8] = []
        result.reserveCapacity(end - start)
        offset = start
        while offset < end {
            let key = bytes.read16(at: offset)
            let value = offset + 4
            let valueEnd = value + Int(bytes.read16(at: offset + 2))
            defer { offset = valueEnd }
            if isIn(removed, key) { continue }
            if key == mandatory {
                var keys: [UInt8] = []
                for place in stride(from: value, to: valueEnd, by: 2) where !isIn(removed, bytes.read16(at: place)) {
                    keys += [bytes[place], bytes[place + 1]]
                }
                if !keys.isEmpty { append(key, keys, to: &result) }
            } else if key == alpn, let protocols {
                append(key, protocols, to: &result)
            } else {
                for index in offset..<valueEnd { result.append(bytes[index]) }
            }
        }
        return result
    }

    private static func isIn(_ keys: UInt16, _ key: UInt16) -> Bool { key < 16 && keys >> key & 1 == 1 }

    private static func append(_ key: UInt16, _ value: [UInt8], to result: inout [UInt8]) {
        for number in [key, UInt16(value.count)] { result += [UInt8(number >> 8), UInt8(truncatingIfNeeded: number)] }
        result += value
    }

    /// The protocols of an `alpn` value but for `h3` and its drafts (`h3-29`); nil if there are none of these.
    ///
    /// Of a value whose lengths do not fit nothing is left: nobody can say what a client would read in it.
    private static func protocolsWithoutHTTP3(_ bytes: Span<UInt8>, from start: Int, to end: Int) -> [UInt8]? {
        var result: [UInt8] = []
        var offset = start
        while offset < end {
            let length = Int(bytes[offset])
            let next = offset + 1 + length
            guard length > 0, next <= end else { return [] }
            // "h3", "h3-"
            let isHTTP3 =
                length >= 2 && bytes[offset + 1] == 0x68 && bytes[offset + 2] == 0x33 && (length == 2 || bytes[offset + 3] == 0x2d)
            if !isHTTP3 {
                for index in offset..<next { result.append(bytes[index]) }
            }
            offset = next
        }
        return result.count == end - start ? nil : result
    }
}
