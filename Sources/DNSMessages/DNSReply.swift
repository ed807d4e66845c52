import NetworkTypes

/// Writes replies to clients into the caller's buffer. Nothing here allocates.
///
/// Every function gives the number of bytes written from the start of `buffer`, or nil if they do not fit (nothing useful is in it then).
/// As a forwarder does: QR and RA set, AA clear, RD and CD as the client sent them, the question in the client's own case;
/// an OPT record of our own if, and only if, the client sent one (RFC 6891 §7): version 0, our payload size, DO as the client's.
public enum DNSReply {
    /// Fits every path without fragments (DNS flag day 2020).
    public static let udpPayloadSizeDefault = 1_232

    static let optLength = 11

    /// Writes an answer without records: REFUSED, SERVFAIL, NXDOMAIN and others, with the reason if the client knows EDNS.
    ///
    /// A code above 15 becomes SERVFAIL for a client without EDNS. 512 bytes are always enough.
    public static func write(
        _ code: ResponseCode, to query: DNSQuery, extendedError: ExtendedDNSError? = nil,
        udpPayloadSize: Int = udpPayloadSizeDefault, into buffer: inout MutableSpan<UInt8>
    ) -> Int? {
        write(
            code, to: query.head, name: query.name.storage.span.extracting(first: query.name.count), extendedError: extendedError,
            udpPayloadSize: udpPayloadSize, into: &buffer)
    }

    /// The same with the name as it stands in the query.
    public static func write(
        _ code: ResponseCode, to query: QueryHead, name: Span<UInt8>, extendedError: ExtendedDNSError? = nil,
        udpPayloadSize: Int = udpPayloadSizeDefault, into buffer: inout MutableSpan<UInt8>
    ) -> Int? {
        let code = query.edns == nil && code.rawValue > 15 ? .serverFailure : code
        guard var end = writeQuestion(of: query, name, code: code, into: &buffer) else { return nil }
        if query.edns != nil {
            guard let optEnd = appendOPT(query, code, extendedError, udpPayloadSize, at: end, into: &buffer) else { return nil }
            end = optEnd
        }
        return end
    }

    /// Writes an answer of one address in place of the true one, with the reason. Nil also if the query is not for the address's type.
    public static func write(
        _ address: IPAddress, timeToLiveSeconds: UInt32, to query: QueryHead, name: Span<UInt8>, extendedError: ExtendedDNSError,
        udpPayloadSize: Int = udpPayloadSizeDefault, into buffer: inout MutableSpan<UInt8>
    ) -> Int? {
        let bytes = address.networkBytes
        guard query.qtype == (address.family == .v4 ? .a : .aaaa),
            let start = writeQuestion(of: query, name, code: .noError, into: &buffer), buffer.count >= start + 12 + bytes.count
        else { return nil }
        // The name is that of the question (RFC 1035 §4.1.4).
        buffer.write16(0xc00c, at: start)
        buffer.write16(query.qtype.rawValue, at: start + 2)
        buffer.write16(1, at: start + 4)
        buffer.write32(timeToLiveSeconds, at: start + 6)
        buffer.write16(UInt16(bytes.count), at: start + 10)
        for (index, byte) in bytes.enumerated() { buffer[start + 12 + index] = byte }
        buffer.write16(1, at: 6)
        let end = start + 12 + bytes.count
        guard query.edns != nil else { return end }
        return appendOPT(query, .noError, extendedError, udpPayloadSize, at: end, into: &buffer)
    }

    /// Answers a message that is not a proper query with a header alone, as its question cannot be trusted.
    ///
    /// Nil also if the fault asks for silence (`MessageFault.queryResponseCode`).
    public static func write(_ fault: MessageFault, toMalformed message: Span<UInt8>, into buffer: inout MutableSpan<UInt8>) -> Int? {
        guard let code = fault.queryResponseCode, message.count >= 12, buffer.count >= 12 else { return nil }
        for index in 0..<12 { buffer[index] = 0 }
        buffer[0] = message[0]
        buffer[1] = message[1]
        buffer[2] = 0x80 | message[2] & 0x79
        buffer[3] = 0x80 | UInt8(truncatingIfNeeded: code.rawValue & 0x0f)
        return 12
    }

    /// Writes a stored answer for one client.
    ///
    /// - Parameters:
    ///   - stored: the message that `response` was parsed from, or its first `bodyEnd` bytes.
    ///   - ageSeconds: since the answer arrived; taken off each TTL.
    ///   - timeToLiveCapSeconds: no TTL above this is handed out.
    ///   - sizeMax: `DNSQuery.udpReplySizeMax`, or 65,535 over TCP. A longer answer is cut to header, question and OPT record, with TC set.
    /// - Returns: nil also if `stored` does not answer the question of `query`.
    public static func write(
        _ stored: Span<UInt8>, of response: DNSResponse, to query: DNSQuery, ageSeconds: UInt32, timeToLiveCapSeconds: UInt32,
        sizeMax: Int, udpPayloadSize: Int = udpPayloadSizeDefault, into buffer: inout MutableSpan<UInt8>
    ) -> Int? {
        guard response.questionEnd == query.questionEnd, response.qtype == query.qtype, stored.count >= response.bodyEnd else { return nil }
        for index in 0..<query.name.count where stored[12 + index].lowercasedASCII != query.name[index].lowercasedASCII { return nil }
        return write(
            stored, StoredAnswer(response), timeToLiveOffsets: response.ttlOffsets.span, to: query.head,
            name: query.name.storage.span.extracting(first: query.name.count), ageSeconds: ageSeconds,
            timeToLiveCapSeconds: timeToLiveCapSeconds, sizeMax: sizeMax, udpPayloadSize: udpPayloadSize, into: &buffer)
    }

    /// The same for an answer that is known to answer the question, with the name as it stands in the query. `extendedError` is left out where it
    /// would not fit into `sizeMax`.
    public static func write(
        _ stored: Span<UInt8>, _ answer: StoredAnswer, timeToLiveOffsets: Span<UInt16>, to query: QueryHead, name: Span<UInt8>,
        ageSeconds: UInt32, timeToLiveCapSeconds: UInt32, sizeMax: Int, extendedError: ExtendedDNSError? = nil,
        udpPayloadSize: Int = udpPayloadSizeDefault, into buffer: inout MutableSpan<UInt8>
    ) -> Int? {
        let bodyEnd = answer.bodyEnd
        guard stored.count >= bodyEnd, answer.questionEnd == query.questionEnd else { return nil }
        let code = query.edns == nil && answer.rcode.rawValue > 15 ? .serverFailure : answer.rcode
        guard var end = writeQuestion(of: query, name, code: code, into: &buffer) else { return nil }
        if answer.isAuthenticData, query.isAuthenticDataRequested || query.isDNSSECOK { buffer[3] |= 0x20 }
        if answer.isCut(to: sizeMax, for: query) {
            buffer[2] |= 0x02
        } else {
            guard buffer.count >= bodyEnd else { return nil }
            buffer.write(stored.extracting(6..<10), at: 6)
            buffer.write(stored.extracting(end..<bodyEnd), at: end)
            for index in 0..<timeToLiveOffsets.count {
                let offset = Int(timeToLiveOffsets[index])
                let original = stored.read32(at: offset)
                let left = original >> 31 == 0 && original > ageSeconds ? original - ageSeconds : 0
                buffer.write32(min(left, timeToLiveCapSeconds), at: offset)
            }
            end = bodyEnd
        }
        if query.edns != nil {
            let shown = extendedError.flatMap { end + optLength + 6 + $0.sentTextCount <= sizeMax ? $0 : nil }
            guard let optEnd = appendOPT(query, code, shown, udpPayloadSize, at: end, into: &buffer) else { return nil }
            end = optEnd
        }
        return end
    }

    /// Header with zero records, and the question as the client asked it.
    private static func writeQuestion(
        of query: QueryHead, _ name: Span<UInt8>, code: ResponseCode, into buffer: inout MutableSpan<UInt8>
    ) -> Int? {
        guard buffer.count >= query.questionEnd, name.count == query.nameRange.count else { return nil }
        buffer.write16(query.id, at: 0)
        buffer[2] = 0x80 | (query.isRecursionDesired ? 0x01 : 0)
        buffer[3] = 0x80 | (query.isCheckingDisabled ? 0x10 : 0) | UInt8(truncatingIfNeeded: code.rawValue & 0x0f)
        buffer.write16(1, at: 4)
        for index in 6..<12 { buffer[index] = 0 }
        UpstreamQuery.writeQuestion(name, query.qtype, into: &buffer)
        return query.questionEnd
    }

    /// Appends an OPT record, with the Extended DNS Error as its only option (RFC 8914 §2), and counts it.
    private static func appendOPT(
        _ query: QueryHead, _ code: ResponseCode, _ extendedError: ExtendedDNSError?, _ udpPayloadSize: Int,
        at start: Int, into buffer: inout MutableSpan<UInt8>
    ) -> Int? {
        let textCount = extendedError?.sentTextCount ?? 0
        let optionsLength = extendedError == nil ? 0 : 6 + textCount
        let end = start + optLength + optionsLength
        guard buffer.count >= end else { return nil }
        buffer[start] = 0
        buffer.write16(RecordType.opt.rawValue, at: start + 1)
        buffer.write16(UInt16(clamping: udpPayloadSize), at: start + 3)
        buffer.write32(UInt32(code.rawValue >> 4) << 24 | (query.isDNSSECOK ? 0x8000 : 0), at: start + 5)
        buffer.write16(UInt16(truncatingIfNeeded: optionsLength), at: start + 9)
        if let extendedError {
            buffer.write16(15, at: start + 11)
            buffer.write16(UInt16(truncatingIfNeeded: 2 + textCount), at: start + 13)
            buffer.write16(extendedError.code, at: start + 15)
            var offset = start + 17
            for byte in extendedError.text.utf8 {
                if offset == end { break }
                buffer[offset] = byte
                offset += 1
            }
        }
        buffer.write16(1, at: 10)
        return end
    }
}
