import ArgumentParser
import DemoNetwork
import Foundation

struct SoakCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "soak",
        abstract:
            "An hour of queries of 500 clients for a million names with short TTLs: memory, descriptors and what was lost. Not part of `all`."
    )

    @OptionGroup var options: BenchOptions

    @Option(help: "How long, and how many queries a second.")
    var seconds = 3_600

    @Option(help: "Queries a second, of all clients.")
    var perSecond = 6_000

    private struct Sample {
        let second: Int
        let residentKiB: Int
        let descriptors: Int
    }

    mutating func run() throws {
        let lab = try BenchLab(podCount: 4)
        defer { lab.stop() }
        try lab.network.replaceZone("example.org", records: "*.wild 4 A 192.0.2.50\n")
        let clients = try SoakClients(lab, count: 500)
        try lab.write(clients.workload, "policies/endpoints.yaml")
        try lab.startDaemon(try options.program(), hasLeases: true)
        guard let daemon = lab.daemon else { throw BenchError("no daemon") }
        try clients.start(perSecond: perSecond)
        defer { clients.stop() }
        let start = Date()
        var samples: [Sample] = []
        let step = max(1, min(60, seconds / 20))
        while daemon.isRunning, Date().timeIntervalSince(start) < Double(seconds) {
            Thread.sleep(forTimeInterval: Double(step))
            let sample = Sample(
                second: Int(Date().timeIntervalSince(start)), residentKiB: try Self.resident(daemon.pid),
                descriptors: try FileManager.default.contentsOfDirectory(atPath: "/proc/\(daemon.pid)/fd").count)
            samples.append(sample)
            let counts = clients.takeCounts()
            FileHandle.standardError.write(
                Data(
                    "\(sample.second) s: \(sample.residentKiB) KiB, \(sample.descriptors) descriptors, \(counts.asked) asked, \(counts.lost) lost, \(counts.wrong) wrong, \(clients.nameCount) names\n"
                        .utf8))
        }
        clients.stop()
        guard daemon.isRunning else { throw BenchError("the daemon ended") }
        let counts = clients.takeCounts()
        let metrics = try lab.metrics()
        // Until then the cache fills: it is bounded by bytes and keeps what has expired.
        let settled = samples.filter { $0.second >= seconds / 6 }
        guard let first = settled.first else { throw BenchError("too short") }
        let (low, high) = (settled.map(\.residentKiB).min() ?? 0, settled.map(\.residentKiB).max() ?? 0)
        let most = settled.map(\.descriptors).max() ?? 0
        let isFlat = Double(high) <= 1.05 * Double(first.residentKiB)
        var table = ResultTable()
        table.add(
            .init(
                what: "\(seconds) s, \(clients.count) clients, \(clients.nameCount) names, TTL 4 s: queries",
                measured: "\(counts.asked) asked, \(counts.lost) lost, \(counts.wrong) answered badly; "
                    + "\(Int(metrics["exeat_dns_cache_entries"] ?? 0)) answers kept at the end",
                anchor: "-", bar: .stated("none lost, none bad", isMet: counts.lost == 0 && counts.wrong == 0)))
        table.add(
            .init(
                what: "Resident memory of the daemon from second \(first.second) on, one look in \(step) s",
                measured: "\(first.residentKiB) KiB, then \(low) to \(high), at the end \(samples.last?.residentKiB ?? 0)",
                anchor: "-", bar: .stated("within 5 %", isMet: isFlat)))
        table.add(
            .init(
                what: "Its descriptors", measured: "\(first.descriptors), at most \(most), at the end \(samples.last?.descriptors ?? 0)",
                anchor: "-", bar: .stated("no growth", isMet: (samples.last?.descriptors ?? .max) <= first.descriptors + 2)))
        print(table.markdown)
        if !table.meetsBars { throw BenchError("a bar is missed") }
    }

    private static func resident(_ process: pid_t) throws -> Int {
        let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        guard let number = line?.split(whereSeparator: \.isWhitespace).compactMap({ Int($0) }).first else {
            throw BenchError("no VmRSS")
        }
        return number
    }
}
