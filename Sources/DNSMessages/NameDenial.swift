/// The word that a name does not exist said of a name below it (RFC 8020 §2).
public enum NameDenial {
    /// NXDOMAIN to a question, with the SOA record that an upstream's NXDOMAIN bore about a name above.
    ///
    /// The record's names are written in full, as they may point at the name that was asked for then. Other records of the authority section are left
    /// out: this is no proof for clients that check signatures.
    ///
    /// - Parameters:
    ///   - denial: an upstream's message without answer records, up to the end of its authority section, that was walked.
    ///   - questionEnd: where its question ends.
    ///   - seconds: the TTL of the SOA record here.
    /// - Returns: nil if there is no SOA record.
    public static func message(_ denial: Span<UInt8>, questionEnd: Int, about key: CacheKey, seconds: UInt32) -> [UInt8]? {
        var offset = questionEnd
        for _ in 0..<denial.read16(at: 8) {
            let owner = offset
            offset = end(ofName: denial, at: offset)
            let type = denial.read16(at: offset)
            let data = offset + 10
            offset = data + Int(denial.read16(at: offset + 8))
            guard type == RecordType.soa.rawValue else { continue }
            let mailbox = end(ofName: denial, at: data)
            // SERIAL, REFRESH, RETRY, EXPIRE, MINIMUM (RFC 1035 §3.3.13).
            let numbers = end(ofName: denial, at: mailbox)
            var content = WireName(denial, at: data, lowercased: false).bytes + WireName(denial, at: mailbox, lowercased: false).bytes
            for index in numbers..<offset { content.append(denial[index]) }
            var message = key.question
            // QR; RA and NXDOMAIN; one question and one record of the authority section.
            message[2] = 0x80
            message[3] = 0x83
            message[5] = 1
            message[9] = 1
            message += WireName(denial, at: owner, lowercased: false).bytes
            for index in data - 10..<data - 6 { message.append(denial[index]) }
            message += [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: seconds >> UInt32($0)) }
            message += [UInt8(truncatingIfNeeded: content.count >> 8), UInt8(truncatingIfNeeded: content.count)]
            return message + content
        }
        return nil
    }

    /// Behind a name as it stands in a message: its last label, or the pointer that ends it.
    private static func end(ofName message: Span<UInt8>, at start: Int) -> Int {
        var offset = start
        while message[offset] != 0 {
            if message[offset] >> 6 == 3 { return offset + 2 }
            offset += 1 + Int(message[offset])
        }
        return offset + 1
    }
}
