extension MessageScanner {
    /// Checks that the fields of a record fill its RDLENGTH exactly, by type.
    ///
    /// Types that hold names or teach addresses are walked in full, the common others by their shape. Types that are
    /// not listed are opaque (RFC 3597): any length will do, as nobody here looks inside.
    mutating func walkData(
        _ message: Span<UInt8>, of type: RecordType, from start: Int, to end: Int
    ) throws(MessageFault) {
        let length = end - start
        switch type.rawValue {
        case 1:  // A
            guard length == 4 else { throw .addressLength }
        case 28:  // AAAA
            guard length == 16 else { throw .addressLength }
        case 2, 5, 12, 39:  // NS, CNAME, PTR, DNAME
            try walkNames(message, count: 1, from: start, to: end)
        case 3, 4, 7, 8, 9:  // MD, MF, MB, MG, MR
            noteLargeOrRare()
            try walkNames(message, count: 1, from: start, to: end)
        case 6:  // SOA: MNAME, RNAME, five numbers
            try walkNames(message, count: 2, from: start, to: end - 20)
        case 14, 17:  // MINFO, RP
            noteLargeOrRare()
            try walkNames(message, count: 2, from: start, to: end)
        case 15, 18, 21, 36:  // MX, AFSDB, RT, KX: preference, name
            noteLargeOrRare()
            try walkNames(message, count: 1, from: start + 2, to: end)
        case 26:  // PX: preference, two names
            noteLargeOrRare()
            try walkNames(message, count: 2, from: start + 2, to: end)
        case 33:  // SRV: priority, weight, port, target
            noteLargeOrRare()
            try walkNames(message, count: 1, from: start + 6, to: end)
        case 35:  // NAPTR: order, preference, flags, services, regexp, replacement
            noteLargeOrRare()
            let name = try walkStrings(message, count: 3, from: start + 4, to: end)
            try walkNames(message, count: 1, from: name, to: end)
        case 13:  // HINFO: two strings
            noteLargeOrRare()
            guard try walkStrings(message, count: 2, from: start, to: end) == end else { throw .recordDataLength }
        case 16, 99:  // TXT, SPF: one string or more
            noteLargeOrRare()
            guard try walkStrings(message, count: nil, from: start, to: end) == end, length > 0 else { throw .recordDataLength }
        case 24, 46:  // SIG, RRSIG: 18 bytes, signer's name, signature (RFC 4034 §3.1)
            guard length > 18 else { throw .recordDataLength }
            if type == .sig {
                noteLargeOrRare()
                // SIG(0) covers no type (RFC 2931 §3).
                guard message.read16(at: start) != 0 else { throw .transactionSignature }
            }
            let signature = try skipName(message, at: start + 18, limit: end, mayCompress: type == .sig)
            guard signature < end else { throw .recordDataLength }
        case 30:  // NXT: next name, which may be compressed (RFC 3597 §4), bit map
            noteLargeOrRare()
            guard try skipName(message, at: start, limit: end) <= end else { throw .recordDataLength }
        case 47:  // NSEC: next name, type bit maps
            let maps = try skipName(message, at: start, limit: end, mayCompress: false)
            try walkTypeMaps(message, from: maps, to: end)
        case 50:  // NSEC3: algorithm, flags, iterations, salt, next hashed owner, type bit maps
            guard length >= 5 else { throw .recordDataLength }
            let maps = try walkStrings(message, count: 2, from: start + 4, to: end)
            try walkTypeMaps(message, from: maps, to: end)
        case 43:  // DS: key tag, algorithm, digest type, digest
            guard length > 4 else { throw .recordDataLength }
        case 48, 59, 60:  // DNSKEY, CDS, CDNSKEY
            noteLargeOrRare()
            guard length >= 4 else { throw .recordDataLength }
        case 64, 65:  // SVCB, HTTPS
            noteServiceBinding()
            guard length >= 3 else { throw .recordDataLength }
            let parameters = try skipName(message, at: start + 2, limit: end, mayCompress: false)
            try ServiceParameters.check(message, from: parameters, to: end)
        case 257:  // CAA: flags, tag length, tag, value
            noteLargeOrRare()
            guard length >= 2, message[start + 1] > 0, 2 + Int(message[start + 1]) <= length else { throw .recordDataLength }
        default:
            noteLargeOrRare()
        }
    }

    /// Walks `count` names that end at `end` exactly.
    private mutating func walkNames(_ message: Span<UInt8>, count: Int, from start: Int, to end: Int) throws(MessageFault) {
        var offset = start
        for _ in 0..<count {
            guard offset < end else { throw .recordDataLength }
            offset = try skipName(message, at: offset, limit: end)
        }
        guard offset == end else { throw .recordDataLength }
    }

    /// Walks `count` strings with a length byte each, or as many as there are; gives the offset behind them.
    private mutating func walkStrings(_ message: Span<UInt8>, count: Int?, from start: Int, to end: Int) throws(MessageFault) -> Int {
        var offset = start
        var left = count ?? Int.max
        while left > 0, offset < end {
            offset += 1 + Int(message[offset])
            left -= 1
        }
        guard offset <= end, count == nil || left == 0 else { throw .recordDataLength }
        return offset
    }

    /// Windows in ascending order, each with 1...32 bytes of bits (RFC 4034 §4.1.2).
    private func walkTypeMaps(_ message: Span<UInt8>, from start: Int, to end: Int) throws(MessageFault) {
        var offset = start
        var previous = -1
        while offset < end {
            guard offset + 2 <= end, Int(message[offset]) > previous, (1...32).contains(message[offset + 1]) else {
                throw .recordDataLength
            }
            previous = Int(message[offset])
            offset += 2 + Int(message[offset + 1])
        }
        guard offset == end else { throw .recordDataLength }
    }
}
