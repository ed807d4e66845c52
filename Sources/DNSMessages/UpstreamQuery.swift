/// The query that a forwarder sends in a client's stead, and how its reply is recognised.
public enum UpstreamQuery {
    /// Padded queries are a multiple of this long (RFC 8467 §4.1).
    private static let paddingBlock = 128

    /// Writes the query: random id, the letters of the name in random case ("0x20"), RD, AD, CD and DO as the client's, an OPT
    /// record of our own.
    ///
    /// - Parameters:
    ///   - caseBits: 256 random bits; bit n says whether byte n of the name, if it is a letter, is a capital.
    ///   - hasEDNS: false only for a server that has shown that it does not know EDNS.
    ///   - udpPayloadSize: what is announced, in bytes.
    ///   - cookie: goes into the OPT record, if there is one.
    ///   - isPadded: whether the message is made as long as others (EDNS padding, RFC 7830), for a way where its bytes cannot be seen. Needs EDNS.
    /// - Returns: the length in bytes, at most 326, with padding 384; nil if `buffer` is too small. The question is the bytes from 12 up
    ///   to `DNSQuery.questionEnd`.
    public static func write(
        for query: DNSQuery, id: UInt16, caseBits: SIMD4<UInt64>, hasEDNS: Bool = true,
        udpPayloadSize: Int = DNSReply.udpPayloadSizeDefault, cookie: DNSCookie? = nil,
        isPadded: Bool = false, into buffer: inout MutableSpan<UInt8>
    ) -> Int? {
        let questionEnd = query.questionEnd
        var optionsLength = cookie?.optionLength ?? 0
        let paddingStart = questionEnd + DNSReply.optLength + optionsLength
        if isPadded {
            let length = paddingStart + 4
            optionsLength += 4 + (paddingBlock - length % paddingBlock) % paddingBlock
        }
        let end = questionEnd + (hasEDNS ? DNSReply.optLength + optionsLength : 0)
        guard buffer.count >= end else { return nil }
        buffer.write16(id, at: 0)
        buffer[2] = query.isRecursionDesired ? 0x01 : 0
        buffer[3] = (query.isAuthenticDataRequested ? 0x20 : 0) | (query.isCheckingDisabled ? 0x10 : 0)
        buffer.write16(1, at: 4)
        for index in 6..<12 { buffer[index] = 0 }
        writeQuestion(query.name.storage.span.extracting(first: query.name.count), query.qtype, into: &buffer)
        for index in 0..<query.name.count where query.name[index].isASCIILetter {
            let isCapital = caseBits[index >> 6] >> UInt64(index & 63) & 1 == 1
            buffer[12 + index] = isCapital ? query.name[index] & ~0x20 : query.name[index] | 0x20
        }
        if hasEDNS {
            buffer[questionEnd] = 0
            buffer.write16(RecordType.opt.rawValue, at: questionEnd + 1)
            buffer.write16(UInt16(clamping: udpPayloadSize), at: questionEnd + 3)
            buffer.write32(query.isDNSSECOK ? 0x8000 : 0, at: questionEnd + 5)
            buffer.write16(UInt16(optionsLength), at: questionEnd + 9)
            cookie?.write(into: &buffer, at: questionEnd + DNSReply.optLength)
            if isPadded {
                buffer.write16(12, at: paddingStart)
                buffer.write16(UInt16(end - paddingStart - 4), at: paddingStart + 2)
                for index in paddingStart + 4..<end { buffer[index] = 0 }
            }
            buffer.write16(1, at: 10)
        }
        return end
    }

    /// Whether a message is the reply to a query that was sent with this id and these question bytes: QR, id and question, case included.
    ///
    /// Source address and port are the socket's to check. Constant work, any bytes.
    public static func matches(reply: Span<UInt8>, id: UInt16, question: Span<UInt8>) -> Bool {
        guard reply.count >= 12 + question.count, reply[2] & 0x80 != 0, reply.read16(at: 0) == id, reply.read16(at: 4) == 1 else {
            return false
        }
        for index in 0..<question.count where reply[12 + index] != question[index] { return false }
        return true
    }

    /// Whether a matching reply has TC set: its records are to be ignored and the question asked over TCP (RFC 2181 §9).
    public static func isTruncated(reply: Span<UInt8>) -> Bool { reply.count >= 12 && reply[2] & 0x02 != 0 }

    static func writeQuestion(_ name: Span<UInt8>, _ qtype: RecordType, into buffer: inout MutableSpan<UInt8>) {
        buffer.write(name, at: 12)
        buffer.write16(qtype.rawValue, at: 12 + name.count)
        buffer.write16(1, at: 14 + name.count)
    }
}
