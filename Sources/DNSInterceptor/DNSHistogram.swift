import Synchronization

/// A histogram with the buckets of `DNSCounters.bucketBoundsMicroseconds`; one writer, any reader.
final class DNSHistogram: Sendable {
    private let buckets = InlineArray<32, Atomic<UInt64>> { _ in Atomic(0) }
    private let sumNanoseconds = Atomic<UInt64>(0)

    func add(nanoseconds: UInt64) {
        let bounds = DNSCounters.bucketBoundsMicroseconds
        var index = 0
        while index < bounds.count, nanoseconds > bounds[index] * 1_000 { index += 1 }
        DNSCounters.add(1, to: buckets[index])
        DNSCounters.add(nanoseconds, to: sumNanoseconds)
    }

    var counts: [UInt64] { (0...DNSCounters.bucketBoundsMicroseconds.count).map { buckets[$0].load(ordering: .relaxed) } }

    func append(to samples: inout [(name: String, labels: [(String, String)], value: Double)], name: String) {
        var total: UInt64 = 0
        for (index, count) in counts.enumerated() {
            total += count
            let bounds = DNSCounters.bucketBoundsMicroseconds
            let bound = index < bounds.count ? "\(Double(bounds[index]) / 1_000_000)" : "+Inf"
            samples.append((name + "_bucket", [("le", bound)], Double(total)))
        }
        samples.append((name + "_count", [], Double(total)))
        samples.append((name + "_sum", [], Double(sumNanoseconds.load(ordering: .relaxed)) / 1_000_000_000))
    }
}
