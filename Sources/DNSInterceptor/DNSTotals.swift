import DNSMessages

/// What all DNS workers of the node have counted together.
public struct DNSTotals: Sendable {
    public let workers: [DNSCounters]

    public init(_ workers: [DNSCounters]) { self.workers = workers }

    /// The sum over the workers; of upstreams that are down, as many as the worker sees that sees most.
    public subscript(counter: DNSCounter) -> UInt64 {
        let values = workers.map { $0[counter] }
        return counter == .upstreamsDown ? values.max() ?? 0 : values.reduce(0, +)
    }

    /// Of each worker those that are upstreams now: one upstream once for each.
    public var upstreams: [UpstreamReport] { workers.flatMap(\.upstreams) }

    /// Of each worker; nil unless they were asked for.
    public var replies: [DNSReplyTally.Entry]? {
        let tallies = workers.compactMap(\.replies)
        return tallies.isEmpty ? nil : tallies.flatMap(\.entries)
    }

    /// As `DNSCounters.snapshot`.
    public func snapshot() -> [(name: String, labels: [(String, String)], value: Double)] {
        let parts = workers.map { $0.snapshot() }
        guard var samples = parts.first else { return [] }
        // All have the same samples in the same order.
        for part in parts.dropFirst() {
            for index in samples.indices { samples[index].value += part[index].value }
        }
        let down = "exeat_dns_" + DNSCounter.upstreamsDown.sample.name
        if let index = samples.firstIndex(where: { $0.name == down }) { samples[index].value = Double(self[.upstreamsDown]) }
        return samples
    }
}
