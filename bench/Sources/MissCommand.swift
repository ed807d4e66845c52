import ArgumentParser
import DemoNetwork
import Foundation

struct MissCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "miss",
        abstract: "What the daemon adds to a DNS answer that was not cached, with 10,000 foreign nft chains on the node.")

    @OptionGroup var options: BenchOptions

    mutating func run() throws { print(try Self.measure(options).markdown) }

    private static let histogram = "exeat_dns_release_duration_seconds"

    static func measure(_ options: BenchOptions) throws -> ResultTable {
        let lab = try BenchLab()
        defer { lab.stop() }
        let plain = try BenchLab()
        defer { plain.stop() }
        try lab.addForeignChains()
        try lab.startDaemon(try options.program())

        // As many slices as pairs, the echo in between, at the same rate.
        let perSlice = 1_000
        let rate = options.quick ? 4_000 : 2_000
        let length = DNSLoad.query("nm00000000.\(BenchPolicy.zone)").count + 16
        let echo = try MeasuredProgram(
            [try options.anchor("udp-echo"), "\(BenchLab.resolver)", "53", "\(length)"], in: plain.network.node,
            output: plain.path("echo.out"))
        echo.process.kill(SIGUSR1)
        var times = try echo.waitForLines(2)
        var means: [Double] = []
        var echoMeans: [Double] = []
        var echoHigh: [Double] = []
        let first = try buckets(lab)
        var before = try sums(lab)
        for slice in 0..<BenchOptions.pairs {
            let series = "m\(String(100 + slice).dropFirst())"
            for target in [lab, plain] {
                try target.write(DNSLoad.questions(perSlice, series: series), "questions")
                try DNSLoad(
                    namespace: target.pod.namespace, server: "\(BenchLab.resolver)", port: 53, questions: target.path("questions")
                ).run(times: 1, perSecond: rate)
            }
            let now = try sums(lab)
            guard now.count - before.count == Double(perSlice) else { throw BenchError("not every query was a miss") }
            means.append((now.seconds - before.seconds) / (now.count - before.count) * 1e6)
            before = now
            echo.process.kill(SIGUSR1)
            times = try echo.waitForLines(slice + 3)
            echoMeans.append((times["meanNanoseconds"] ?? 0) / 1000)
            echoHigh.append(times["p99Microseconds"] ?? 0)
        }
        let last = try buckets(lab)
        let counts = last.map { bucket in
            (bound: bucket.bound, count: bucket.count - (first.first { $0.bound == bucket.bound }?.count ?? 0))
        }
        let total = counts.last?.count ?? 0
        func bound(_ share: Double) -> Double { counts.first { $0.count >= total * share }?.bound ?? .infinity }
        let shareWithin = (counts.first { $0.bound == 100e-6 }?.count ?? 0) / total * 100
        let (half, high) = (bound(0.5) * 1e6, bound(0.99) * 1e6)

        var table = ResultTable()
        table.add(
            .init(
                what: "DNS miss, from the upstream's reply read to the client's sent, \(Int(total)) misses at \(rate)/s, "
                    + "\(BenchLab.foreignChains) foreign chains (upper bounds by bucket)",
                measured: "p50 ≤ \(half.rounded(0)) µs, p99 ≤ \(high.rounded(0)) µs, \(shareWithin.rounded(2)) % within 100 µs",
                anchor: "echo, read to sent: p99 \(echoHigh.median.rounded(1)) µs",
                bar: .stated("p99 ≤ 100 µs", isMet: high <= 100)))
        table.add(
            .init(
                what: "The same, mean of \(perSlice), against the bare echo from query read to answer sent",
                measured: "\(means.median.rounded(1)) µs", anchor: "\(echoMeans.median.rounded(1)) µs",
                ratio: Interval(ratiosOf: means, to: echoMeans),
                anchorSpread: Interval(ratiosOf: Array(echoMeans.dropFirst()), to: Array(echoMeans.dropLast()))))
        return table
    }

    private static func sums(_ lab: BenchLab) throws -> (seconds: Double, count: Double) {
        let metrics = try lab.metrics()
        guard let seconds = metrics[histogram + "_sum"], let count = metrics[histogram + "_count"] else {
            throw BenchError("no \(histogram)")
        }
        return (seconds, count)
    }

    /// Upper bounds in seconds and cumulative counts, ascending.
    private static func buckets(_ lab: BenchLab) throws -> [(bound: Double, count: Double)] {
        try lab.metrics().compactMap { name, value in
            guard name.hasPrefix(histogram + "_bucket"), let text = name.split(separator: "\"").dropFirst().first else { return nil }
            return (text == "+Inf" ? .infinity : Double(text) ?? .nan, value)
        }.sorted { $0.bound < $1.bound }
    }
}
