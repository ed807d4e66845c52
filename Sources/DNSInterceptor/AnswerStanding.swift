import DNSMessages

/// How an answer that does not count down in the cache is given out.
enum AnswerStanding {
    /// It has expired, and no other can be had (RFC 8767).
    case stale
    /// It is our own: a name that this node answers for.
    case local
    /// It is made of an answer in the cache that a name above does not exist (RFC 8020).
    case cut

    /// What the client is told of it (RFC 8914 §4.4, §4.20).
    func extendedError(_ code: ResponseCode) -> ExtendedDNSError? {
        switch self {
        case .stale: code == .nameError ? .staleNameError : .staleAnswer
        case .local: nil
        case .cut: .synthesized
        }
    }

    /// For the log.
    var lookup: DNSLogRecord.Lookup {
        switch self {
        case .stale: .stale
        case .local: .local
        case .cut: .hit
        }
    }

    /// What it is in the header: AD is not claimed for what may have outlived its signatures; AA is set for what is our own.
    func mark(_ reply: inout MutableSpan<UInt8>) {
        switch self {
        case .stale: reply[3] &= ~0x20
        case .local: reply[2] |= 0x04
        case .cut: break
        }
    }
}
