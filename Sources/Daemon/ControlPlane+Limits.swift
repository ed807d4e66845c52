import Logging
import NetfilterTables
import NetworkTypes

/// Limits of one endpoint: what the kernel does about them, and what is said of it.
extension ControlPlane {
    /// From now on new flows of these addresses, and of no others, are refused ahead of leases and queue. Returns at once.
    func cap(_ addresses: Set<IPAddress>) {
        queue.async { [self] in
            guard !isStopped, tableConfiguration.capsConnections else { return }
            addressesToCap = addresses
            var wanted = contents
            wanted.capped = addresses.intersection(contents.policed)
            let changes = Self.changes(from: contents, to: wanted)
            guard !changes.isEmpty else { return }
            let came = wanted.capped.subtracting(contents.capped)
            do {
                if isTableBehind {
                    try installTable(wanted)
                } else {
                    try table.apply(changes)
                    contents = wanted
                }
            } catch {
                logger.error("the table could not be changed; trying to install it anew", metadata: ["error": "\(error)"])
                repair(wanted)
            }
            for endpoint in capLog.take(names(of: came), now: BootClock.now()) {
                logger.warning(
                    "an endpoint has as many flows as it may; its new flows are refused until some end",
                    metadata: ["endpoint": "\(endpoint)", "limit": "\(configuration.limits.connectionsPerEndpoint ?? 0)"])
            }
        }
    }

    /// On the queue, every second: which endpoints the limits of questions, of hellos, of queries and of new flows hold back.
    func reportLimited(_ counters: [CounterValue]) throws(TableError) {
        let reasons = [TableCounter.questionRate, .helloRate, .queryRate, .connectionRate].map(\.rawValue)
        let count = counters.reduce(0) { reasons.contains($1.reason) ? $0 + $1.packets : $0 }
        // A table that was made anew counts from 0.
        defer { questionsHeldBack = count }
        guard count > questionsHeldBack else { return }
        let limits = configuration.limits
        for endpoint in questionLog.take(names(of: try table.limitedAddresses()), now: BootClock.now()) {
            logger.warning(
                "an endpoint begins too many flows, or sends too many packets to look at; those beyond the limit are dropped ahead of the queue",
                metadata: [
                    "endpoint": "\(endpoint)", "questions_per_second": "\(limits.questionsPerSecond)",
                    "hellos_per_second": "\(limits.hellosPerSecond)", "connections_per_second": "\(limits.connectionsPerSecond)",
                ])
        }
    }

    /// Of the endpoints that these addresses belong to; an address that belongs to none any more stands for itself.
    private func names(of addresses: Set<IPAddress>) -> Set<String> {
        let policy = published.current
        return Set(addresses.map { address in policy.endpointIndex(of: address).map { policy.endpoints[$0].identity } ?? "\(address)" })
    }
}
