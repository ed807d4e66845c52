import DNSMessages

/// What a message on an upstream socket is, as far as its header and question tell.
enum UpstreamReplyKind: Equatable {
    /// Not a reply at all, or without our question.
    case wrongForm
    case wrongIdentifier
    case wrongQuestion
    /// Ours but for the letter case of the question.
    case wrongLetterCase
    case truncated
    /// FORMERR, NOTIMP (also without a question, as old servers send it) or BADVERS.
    case ednsRefused
    case answer

    /// - Parameters:
    ///   - question: name, type and class as they were sent.
    ///   - isEDNSSent: the query bore an OPT record.
    init(_ reply: Span<UInt8>, id: UInt16, question: Span<UInt8>, isEDNSSent: Bool) {
        guard reply.count >= 12, reply[2] & 0x80 != 0 else {
            self = .wrongForm
            return
        }
        guard UInt16(reply[0]) << 8 | UInt16(reply[1]) == id else {
            self = .wrongIdentifier
            return
        }
        let code = reply[3] & 0x0f
        let isComplaint = isEDNSSent && (code == 1 || code == 4)
        if reply[4] == 0, reply[5] == 0, reply.count == 12, isComplaint {
            self = .ednsRefused
            return
        }
        guard UpstreamQuery.matches(reply: reply, id: id, question: question) else {
            self = Self.differsInCaseOnly(reply, question) ? .wrongLetterCase : .wrongQuestion
            return
        }
        if UpstreamQuery.isTruncated(reply: reply) {
            self = .truncated
        } else {
            self = isComplaint ? .ednsRefused : .answer
        }
    }

    private static func differsInCaseOnly(_ reply: Span<UInt8>, _ question: Span<UInt8>) -> Bool {
        guard reply.count >= 12 + question.count, reply[4] == 0, reply[5] == 1 else { return false }
        for index in 0..<question.count {
            let one = reply[12 + index]
            let other = question[index]
            // Behind the name stand its type and class.
            let isLetter = index < question.count - 4 && (one | 0x20) &- 0x61 < 26
            guard one == other || (isLetter && one ^ other == 0x20) else { return false }
        }
        return true
    }
}
