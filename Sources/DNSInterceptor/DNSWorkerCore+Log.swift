import DNSMessages
import Enforcement
import NetworkTypes

/// What becomes lines of the DNS log. Replies to messages that cannot be read are not among it: they have no question.
extension DNSWorkerCore {
    /// Puts the reply that was written last, of `count` bytes, into the ring; if that is full, the reply is counted there.
    func note(
        _ count: Int, _ origin: QueryOrigin, _ lookup: DNSLogRecord.Lookup, _ answer: Answer? = nil, cause: DNSCounter? = nil,
        rule: String? = nil
    ) {
        guard let log = configuration.log, count > 0, let source = source(of: origin) else { return }
        let buffer =
            switch origin {
            case .datagram: UnsafeBufferPointer(unsafe unsent.buffer(unsentCount - 1))
            case .connection, .redial: UnsafeBufferPointer(unsafe replyBuffer)
            }
        let reply = unsafe UnsafeBufferPointer(rebasing: buffer[..<min(count, buffer.count)])
        log.append(
            DNSLogRecord(
                time: now, source: source, classNumber: classNumber(origin), lookup: lookup, cause: cause ?? answer?.cause,
                server: answer?.server,
                latencyNanoseconds: waitedSince.map { now.nanoseconds(since: $0) }, answeredAt: answer?.storedAt ?? now,
                isSuspect: isSuspect, responseCode: answer?.stored?.rcode, reply: unsafe reply.span, rule: rule))
    }

    private func source(of origin: QueryOrigin) -> IPAddress? {
        switch origin {
        case .datagram(_, let path): path.peer.address
        case .connection(let slot, let generation): connection(slot, generation)?.peer
        case .redial: nil
        }
    }
}
