import DNSMessages
import DomainNames

/// Messages of our own, in the form in which an upstream would have sent them.
enum LocalMessage {
    static let localhost: [UInt8] = [9] + Array("localhost".utf8) + [0]
    /// RNAME of RFC 6303 §3.
    private static let nobody: [UInt8] = [6] + Array("nobody".utf8) + [7] + Array("invalid".utf8) + [0]

    /// One record of the type asked for, with the name asked for, for each piece of data.
    static func positive(_ key: CacheKey, data: [[UInt8]], seconds: UInt32) -> [UInt8] {
        var message = head(key, code: 0, answers: data.count, authority: 0)
        for piece in data { append(owner: [0xc0, 12], key.qtype, seconds, piece, to: &message) }
        return message
    }

    /// CNAME records from the name asked for to the last of `targets`, and a record of the type asked for there for each piece of data.
    ///
    /// - Parameter isDenial: adds the SOA record that says how long there are no such records.
    static func alias(_ key: CacheKey, _ targets: [DomainName], data: [[UInt8]], isDenial: Bool, seconds: UInt32) -> [UInt8] {
        var message = head(key, code: 0, answers: targets.count + data.count, authority: isDenial ? 1 : 0)
        var owner = 12
        for target in targets {
            let wire = target.wire
            append(owner: pointer(to: owner), .cname, seconds, wire, to: &message)
            owner = message.count - wire.count
        }
        for piece in data { append(owner: pointer(to: owner), key.qtype, seconds, piece, to: &message) }
        if isDenial, let end = targets.last {
            append(owner: pointer(to: owner), .soa, seconds, startOfAuthority(end, seconds), to: &message)
        }
        return message
    }

    private static func pointer(to offset: Int) -> [UInt8] { [0xc0 | UInt8(offset >> 8), UInt8(truncatingIfNeeded: offset)] }

    /// NODATA, or NXDOMAIN if the name does not exist, with the zone's SOA record (RFC 2308 §2).
    static func negative(_ key: CacheKey, zone: DomainName, seconds: UInt32, exists: Bool) -> [UInt8] {
        var message = head(key, code: exists ? 0 : 3, answers: 0, authority: 1)
        append(owner: zone.wire, .soa, seconds, startOfAuthority(zone, seconds), to: &message)
        return message
    }

    /// An answer of which nothing but TC is here (RFC 2181 §9).
    static func truncated(_ key: CacheKey) -> [UInt8] {
        var message = head(key, code: 0, answers: 0, authority: 0)
        // QR and TC.
        message[2] = 0x82
        return message
    }

    /// MNAME, RNAME, SERIAL, REFRESH, RETRY, EXPIRE and MINIMUM (RFC 6303 §3).
    static func startOfAuthority(_ zone: DomainName, _ minimum: UInt32) -> [UInt8] {
        zone.wire + nobody + [1, 3_600, 1_200, 604_800, minimum].flatMap(bytes)
    }

    private static func head(_ key: CacheKey, code: UInt8, answers: Int, authority: Int) -> [UInt8] {
        var message = key.question
        // QR and AA; RA.
        message[2] = 0x84
        message[3] = 0x80 | code
        message[5] = 1
        message[6] = UInt8(truncatingIfNeeded: answers >> 8)
        message[7] = UInt8(truncatingIfNeeded: answers)
        message[9] = UInt8(truncatingIfNeeded: authority)
        return message
    }

    private static func append(owner: [UInt8], _ type: RecordType, _ seconds: UInt32, _ data: [UInt8], to message: inout [UInt8]) {
        message += owner + bytes(UInt32(type.rawValue) << 16 | 1) + bytes(seconds)
        message += [UInt8(truncatingIfNeeded: data.count >> 8), UInt8(truncatingIfNeeded: data.count)] + data
    }

    private static func bytes(_ value: UInt32) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> UInt32($0)) }
    }
}
