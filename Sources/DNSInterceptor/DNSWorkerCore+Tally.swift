import DNSMessages
import NetworkTypes

/// Replies as ``DNSReplyTally`` counts them.
extension DNSWorkerCore {
    /// Counts the reply that was written last, of `count` bytes.
    func tally(
        _ count: Int, _ query: QueryHead, _ code: ResponseCode, _ origin: QueryOrigin, _ lookup: DNSLogRecord.Lookup, isDenial: Bool = false
    ) {
        guard let tally = counters.replies, count > 0 else { return }
        let shown = query.edns == nil && code.rawValue > 15 ? .serverFailure : code
        let source = DNSReplyTally.Source(lookup, isDenial: isDenial)
        switch origin {
        case .datagram(_, let path):
            tally.add(isTCP: false, path.peer.address?.family ?? .v4, isDNSSECOK: query.isDNSSECOK, query.qtype, shown, source)
        case .connection(let slot, let generation):
            guard let connection = connection(slot, generation) else { return }
            tally.add(isTCP: true, connection.peer.family, isDNSSECOK: query.isDNSSECOK, query.qtype, shown, source)
        case .redial: return
        }
    }
}
