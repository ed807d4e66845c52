import DNSMessages
import NetworkTypes

/// HTTPS and SVCB records in upstreams' answers: what clients are not to have of them is taken out before an answer is kept or given to anybody.
extension DNSWorkerCore {
    /// An upstream's answer as clients get it. Where a signature covers what would have to be taken out, it is a refusal: data that is signed
    /// is passed on as it is, or not at all.
    func answer(
        _ response: DNSResponse, in message: Span<UInt8>, to transaction: Transaction, from server: IPAddress
    ) throws(MessageFault) -> Answer {
        switch try ServiceBindingRewrite(of: message, response, for: configuration.serviceBindings) {
        case .none:
            return Answer(
                key: transaction.key, hash: transaction.hash, message: message, response: response, now: now, configuration: configuration,
                server: server)
        case .message(let bytes, let stripped):
            // Read as strictly as what came: what is learned is what is in the new message.
            let rewritten = try DNSResponse(parsing: bytes.span)
            counters.add(.strippedHints, UInt64(stripped.hints))
            counters.add(.strippedECH, UInt64(stripped.ech))
            counters.add(.strippedHTTP3, UInt64(stripped.http3))
            return Answer(
                key: transaction.key, hash: transaction.hash, message: bytes.span, response: rewritten, now: now,
                configuration: configuration, server: server)
        case .signed where response.rcode != .noError && response.rcode != .nameError:
            return failure(to: transaction)
        case .signed:
            return Answer(
                key: transaction.key, hash: transaction.hash,
                failure: .blocked("signed service binding, to be stripped by dns.serviceBindings"), cause: .refusedSignedBinding,
                isRefusal: true, storedAt: now, lifetimeSeconds: min(response.cacheTTL ?? 0, configuration.negativeSecondsMax))
        }
    }
}
