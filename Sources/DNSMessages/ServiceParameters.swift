import NetworkTypes

/// The SvcParams of an HTTPS or SVCB record: key, length, value, keys strictly ascending (RFC 9460 §2.2).
enum ServiceParameters {
    private static let ipv4Hint: UInt16 = 4
    private static let ipv6Hint: UInt16 = 6

    /// Whether a key is `ipv4hint` or `ipv6hint`.
    static func isHint(_ key: UInt16) -> Bool { key == ipv4Hint || key == ipv6Hint }

    /// Whether there is a hint among the parameters between two offsets, which are good ones.
    static func haveHints(_ bytes: Span<UInt8>, from start: Int, to end: Int) -> Bool {
        var offset = start
        while offset + 4 <= end {
            if isHint(bytes.read16(at: offset)) { return true }
            offset += 4 + Int(bytes.read16(at: offset + 2))
        }
        return false
    }

    /// Checks order and lengths of the parameters between two offsets.
    static func check(_ bytes: Span<UInt8>, from start: Int, to end: Int) throws(MessageFault) {
        var offset = start
        var previous = -1
        while offset < end {
            guard offset + 4 <= end else { throw .serviceParameters }
            let key = bytes.read16(at: offset)
            let length = Int(bytes.read16(at: offset + 2))
            guard Int(key) > previous, offset + 4 + length <= end, hasGoodLength(length, key: key) else { throw .serviceParameters }
            previous = Int(key)
            offset += 4 + length
        }
    }

    private static func hasGoodLength(_ length: Int, key: UInt16) -> Bool {
        switch key {
        case 0: length > 0 && length % 2 == 0  // mandatory
        case 1: length > 1  // alpn
        case 2: length == 0  // no-default-alpn
        case 3: length == 2  // port
        case ipv4Hint: length > 0 && length % 4 == 0
        case ipv6Hint: length > 0 && length % 16 == 0
        default: true
        }
    }

    /// Appends the address hints among the parameters between two offsets, which end in `bytes`.
    ///
    /// Only for ServiceMode (priority above 0): in AliasMode parameters mean nothing (RFC 9460 §2.4.2).
    /// Total also for unchecked bytes: it stops at the first parameter that does not fit.
    static func appendHints(_ bytes: Span<UInt8>, from start: Int, to end: Int, to addresses: inout [IPAddress]) {
        var offset = start
        while offset + 4 <= end {
            let key = bytes.read16(at: offset)
            let valueEnd = offset + 4 + Int(bytes.read16(at: offset + 2))
            guard valueEnd <= end else { return }
            let width = key == ipv4Hint ? 4 : key == ipv6Hint ? 16 : 0
            if width > 0 {
                var value = offset + 4
                while value + width <= valueEnd {
                    if let address = IPAddress(networkBytes: bytes.extracting(value..<(value + width))) { addresses.append(address) }
                    value += width
                }
            }
            offset = valueEnd
        }
    }
}
