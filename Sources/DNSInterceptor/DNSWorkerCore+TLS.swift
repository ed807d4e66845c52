import NetworkTypes

/// TLS to upstreams (RFC 7858): what becomes of handshakes. The connections themselves are those of `+UpstreamStreams`.
extension DNSWorkerCore {
    /// Of an upstream that is asked over TLS.
    struct TLSState {
        /// Of the last connection that gave one.
        var ticket: TLSTicket?
        /// When a fault was last told of, by its number.
        var toldAt: [TLSFault: Instant] = [:]
    }

    /// From one notice of a fault of an upstream to the next of the same kind.
    private static var noticeSeconds: UInt64 { 60 }

    /// A server that neither finishes nor hangs up holds a connection no longer than this, whatever it sends.
    mutating func limitHandshake(_ connection: UpstreamConnection) {
        let limit = UInt64(max(1, configuration.handshakeMilliseconds)) * 1_000_000
        upstreamIdleDeadlines.set(connection.slot, deadline: now.advanced(byNanoseconds: limit))
    }

    /// It is known who the server is, and the questions are on their way.
    mutating func handshakeIsDone(_ connection: UpstreamConnection) {
        counters.add(connection.tls?.isResumed == true ? .tlsHandshakesResumed : .tlsHandshakesFull)
        upstreamIdleDeadlines.remove(connection.slot)
        if connection.waited == 0 { beginIdling(connection) }
    }

    /// For the next connection to the same upstream.
    mutating func keepTicket(of connection: UpstreamConnection) {
        if let ticket = connection.tls?.ticket { tlsStates[connection.upstream].ticket = ticket }
    }

    /// A connection is no use: counted each time, told now and then.
    mutating func note(_ fault: TLSFault, of connection: UpstreamConnection) {
        connection.fault = fault
        counters.add(fault.counter)
        // What failed once may be what the ticket was for.
        tlsStates[connection.upstream].ticket = nil
        if let last = tlsStates[connection.upstream].toldAt[fault], now < last.advanced(bySeconds: Self.noticeSeconds) { return }
        tlsStates[connection.upstream].toldAt[fault] = now
        let (zone, number) = upstreams[connection.upstream]
        configuration.tell?(
            UpstreamNotice(
                upstream: zones[zone].addresses[number], fault: fault, detail: connection.tls?.faultDetail ?? ""))
    }
}
