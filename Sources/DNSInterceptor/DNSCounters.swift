import DNSMessages
import Synchronization

/// The counters of one DNS worker, which any thread may read.
///
/// One writer, the worker: an increment is a relaxed load and a relaxed store, without a locked instruction. Readers see each counter grow, and no order
/// between counters.
public final class DNSCounters: Sendable {
    /// Upper bounds of the histogram buckets, in microseconds; one more bucket takes the rest.
    public static let bucketBoundsMicroseconds: [UInt64] = [
        5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 750, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
        1_000_000, 2_000_000, 5_000_000,
    ]

    private let plain = InlineArray<128, Atomic<UInt64>> { _ in Atomic(0) }
    private let malformedQueries = InlineArray<256, Atomic<UInt64>> { _ in Atomic(0) }
    private let malformedAnswers = InlineArray<256, Atomic<UInt64>> { _ in Atomic(0) }
    private let missLatency = DNSHistogram()
    private let releaseLatency = DNSHistogram()
    /// Held for moments: once a second by the worker, and by readers to copy it.
    private let upstreamReports = Mutex<[UpstreamReport]>([])

    /// Nil unless it was asked for.
    public let replies: DNSReplyTally?

    public init(talliesReplies: Bool = false) {
        replies = talliesReplies ? DNSReplyTally() : nil
        precondition(DNSCounter.allCases.count <= 128, "more counters than cells")
    }

    /// The value of one counter.
    public subscript(counter: DNSCounter) -> UInt64 { plain[counter.rawValue].load(ordering: .relaxed) }

    /// Queries refused for this fault.
    public func malformedQueries(_ fault: MessageFault) -> UInt64 { malformedQueries[Int(fault.rawValue)].load(ordering: .relaxed) }

    /// Upstream answers refused for this fault.
    public func malformedAnswers(_ fault: MessageFault) -> UInt64 { malformedAnswers[Int(fault.rawValue)].load(ordering: .relaxed) }

    /// From a query that missed the cache to its answer; microseconds. Counts per bucket of ``bucketBoundsMicroseconds`` and one more.
    public var missLatencyCounts: [UInt64] { missLatency.counts }

    /// From reading an upstream's reply to having sent the client's, the part of a miss that is ours.
    public var releaseLatencyCounts: [UInt64] { releaseLatency.counts }

    /// Of each upstream that is one now, at most ``UpstreamReport/countMax``.
    public var upstreams: [UpstreamReport] { upstreamReports.withLock { $0 }.filter(\.isListed) }

    /// Everything but `upstreams`, as metrics: cumulative buckets for the histograms (label `le`, in seconds).
    public func snapshot() -> [(name: String, labels: [(String, String)], value: Double)] {
        var samples: [(name: String, labels: [(String, String)], value: Double)] = []
        for counter in DNSCounter.allCases {
            let (name, labels) = counter.sample
            samples.append(("exeat_dns_" + name, labels, Double(self[counter])))
        }
        for fault in MessageFault.allCases {
            samples.append(("exeat_dns_malformed_total", [("kind", "query"), ("fault", fault.label)], Double(malformedQueries(fault))))
            samples.append(("exeat_dns_malformed_total", [("kind", "answer"), ("fault", fault.label)], Double(malformedAnswers(fault))))
        }
        missLatency.append(to: &samples, name: "exeat_dns_miss_duration_seconds")
        releaseLatency.append(to: &samples, name: "exeat_dns_release_duration_seconds")
        return samples
    }

    // MARK: for the worker

    func add(_ counter: DNSCounter, _ amount: UInt64 = 1) { Self.add(amount, to: plain[counter.rawValue]) }

    func set(_ counter: DNSCounter, _ value: Int) { plain[counter.rawValue].store(UInt64(max(0, value)), ordering: .relaxed) }

    func addMalformedQuery(_ fault: MessageFault) { Self.add(1, to: malformedQueries[Int(fault.rawValue)]) }

    func addMalformedAnswer(_ fault: MessageFault) { Self.add(1, to: malformedAnswers[Int(fault.rawValue)]) }

    func updateUpstreams(_ body: (inout [UpstreamReport]) -> Void) { upstreamReports.withLock { body(&$0) } }

    func addMiss(nanoseconds: UInt64) { missLatency.add(nanoseconds: nanoseconds) }

    func addRelease(nanoseconds: UInt64) { releaseLatency.add(nanoseconds: nanoseconds) }

    /// Relaxed, and not one atomic step: there is no other writer.
    static func add(_ amount: UInt64, to cell: borrowing Atomic<UInt64>) {
        cell.store(cell.load(ordering: .relaxed) &+ amount, ordering: .relaxed)
    }
}
