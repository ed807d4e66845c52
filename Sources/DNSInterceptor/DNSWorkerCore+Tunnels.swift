import DNSMessages
import DomainNames
import NetworkTypes

extension TunnelGuard {
    /// Notes a query that upstreams would have to be asked for. Only endpoints are looked at, and not what is resolved again for them.
    mutating func suspect(_ waiting: WaitingQuery, now: Instant) -> DomainName? {
        guard limits.mode != .disabled, case .endpoint(let client) = waiting.client else { return nil }
        if case .redial = waiting.origin { return nil }
        return suspect(waiting.query.qname, client: client, now: now)
    }
}

extension DNSWorkerCore {
    mutating func rejectTunnel(_ query: QueryHead, _ name: Span<UInt8>, _ origin: QueryOrigin, _ domain: DomainName) {
        reject(query, name, origin, "tunnel guard (dns.tunnelGuard): too many new names below \(domain)", .refusedTunnel)
    }
}
