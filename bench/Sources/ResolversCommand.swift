import ArgumentParser
import DemoNetwork
import Foundation

struct ResolversCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resolvers",
        abstract: "Cached answers per second (dnsperf), and latency at half of unbound's rate, beside unbound, dnsmasq and dnsdist.")

    @OptionGroup var options: BenchOptions

    mutating func run() throws { print(try Self.measure(options).markdown) }

    private static let nameCount = 1_000

    /// All servers run at once, each in a node of its own with the same rules; one is asked at a time.
    private struct Subject {
        let name: String
        let lab: BenchLab
        var rates: [Double] = []
        var medians: [Double] = []
        var highs: [Double] = []

        var load: DNSLoad {
            DNSLoad(namespace: lab.pod.namespace, server: "\(BenchLab.resolver)", port: 53, questions: lab.path("questions"))
        }
    }

    static func measure(_ options: BenchOptions) throws -> ResultTable {
        let names = ["Exeat", "unbound", "dnsmasq", "dnsdist"]
        var subjects = try names.map { Subject(name: $0, lab: try BenchLab()) }
        defer { for subject in subjects { subject.lab.stop() } }
        let queries = (0..<nameCount).map { DNSLoad.query("nr\(String(1_000_000 + $0).dropFirst()).\(BenchPolicy.zone)") }
        let framed = queries.flatMap { [UInt8($0.count >> 8), UInt8($0.count & 0xff)] + $0 }
        for subject in subjects {
            try subject.lab.write(DNSLoad.questions(nameCount, series: "r"), "questions")
            try Data(framed).write(to: URL(fileURLWithPath: subject.lab.path("queries")))
            switch subject.name {
            case "Exeat": try subject.lab.startDaemon(try options.program())
            case "unbound": _ = try subject.lab.startUnbound(port: 53)
            case "dnsmasq": _ = try subject.lab.startDnsmasq(port: 53)
            default: _ = try subject.lab.startDnsdist(port: 53)
            }
            if subject.name != "Exeat" { try subject.lab.installTable(queue: 100) }
            // Fills the cache.
            try subject.load.run(times: 2, outstanding: 20)
        }
        let times = options.quick ? 20 : 60
        for round in 0..<BenchOptions.pairs {
            for place in subjects.indices {
                let index = (place + round) % subjects.count
                subjects[index].rates.append(try subjects[index].load.throughput(times: times))
            }
        }
        // Half of what unbound can do: the same rate for all.
        let rate = (subjects[1].rates.median / 2).rounded()
        let program = try options.anchor("dns-load")
        let milliseconds = options.quick ? 200 : 400
        // The 99th percentile of a slice is often the scheduler's: many short ones.
        for round in 0..<5 * BenchOptions.pairs {
            for place in subjects.indices {
                let index = (place + round) % subjects.count
                let lab = subjects[index].lab
                let result = try lab.pod.namespace.run(
                    [program, "\(BenchLab.resolver)", "53", lab.path("queries"), "\(rate)", "\(milliseconds)"], timeoutSeconds: 20)
                guard result.isSuccess, let object = try JSONSerialization.jsonObject(with: Data(result.stdout.utf8)) as? [String: Double],
                    let sent = object["sent"], let answered = object["answered"], answered >= sent * 0.98,
                    let median = object["p50"], let high = object["p99"]
                else { throw BenchError("\(subjects[index].name) at \(rate)/s: \(result.stdout)\(result.stderr)") }
                subjects[index].medians.append(median)
                subjects[index].highs.append(high)
            }
        }
        var table = ResultTable()
        let exeat = subjects[0]
        for peer in subjects.dropFirst() {
            table.add(
                .init(
                    what: "Cached answers per second to one pod (dnsperf, 100 under way), behind the same rules, against \(peer.name)",
                    measured: "\(Int(exeat.rates.median))", anchor: "\(Int(peer.rates.median))",
                    ratio: Interval(ratiosOf: exeat.rates, to: peer.rates)))
        }
        for peer in subjects.dropFirst() {
            table.add(
                .init(
                    what: "Latency of cached answers at \(Int(rate))/s, half of what unbound can, p99 of slices of \(milliseconds) ms, "
                        + "against \(peer.name)",
                    measured: text(exeat), anchor: text(peer), ratio: Interval(ratiosOf: exeat.highs, to: peer.highs),
                    anchorSpread: Interval(ratiosOf: Array(peer.highs.dropFirst()), to: Array(peer.highs.dropLast())),
                    bar: peer.name == "unbound" ? .ratioAtMost(1) : nil))
        }
        return table
    }

    private static func text(_ subject: Subject) -> String {
        "p50 \(subject.medians.median.rounded(1)) µs, p99 \(subject.highs.median.rounded(1)) µs"
    }
}
