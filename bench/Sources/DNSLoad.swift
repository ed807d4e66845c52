import DemoNetwork
import Foundation

/// dnsperf out of a namespace, over UDP.
struct DNSLoad {
    let namespace: DemoNetwork.Namespace
    let server: String
    let port: UInt16
    /// A file of questions, one a line.
    let questions: String

    /// Asks every question of the file, `times` times over.
    /// - Returns: how many were answered. Throws if one in a hundred was not.
    @discardableResult
    func run(times: Int, outstanding: Int = 100, perSecond: Int? = nil) throws -> Double {
        try perform(times: times, outstanding: outstanding, perSecond: perSecond).answered
    }

    /// The same as quickly as the server answers: answers per second.
    func throughput(times: Int) throws -> Double { try perform(times: times, outstanding: 100, perSecond: nil).perSecond }

    private func perform(times: Int, outstanding: Int, perSecond: Int?) throws -> (answered: Double, perSecond: Double) {
        var arguments = [
            "dnsperf", "-s", server, "-p", "\(port)", "-d", questions, "-n", "\(times)", "-c", "4", "-q", "\(outstanding)", "-t", "2", "-W",
        ]
        if let perSecond { arguments += ["-Q", "\(perSecond)"] }
        let result = try namespace.run(arguments, timeoutSeconds: 120)
        func number(_ label: String) -> Double? {
            result.stdout.split(separator: "\n").first { $0.contains(label) }?
                .split(separator: " ").compactMap { Double($0) }.first
        }
        guard result.isSuccess, let sent = number("Queries sent:"), let completed = number("Queries completed:"), completed > sent * 0.99
        else { throw BenchError("dnsperf to \(server):\(port): \(result.stdout)\(result.stderr)") }
        guard result.stdout.contains("NOERROR \(Int(completed)) (100.00%)") else {
            throw BenchError("dnsperf to \(server):\(port), not every answer is good: \(result.stdout)")
        }
        guard let rate = number("Queries per second:") else { throw BenchError("dnsperf tells no rate: \(result.stdout)") }
        return (completed, rate)
    }

    /// `count` questions for the address of names in a zone, all of one length; `series` makes them new.
    static func questions(_ count: Int, series: String, zone: String = BenchPolicy.zone) -> String {
        (0..<count).map { "n\(series)\(String(1_000_000 + $0).dropFirst()).\(zone) A\n" }.joined()
    }

    /// A query with RD for the address of a name, and the length of the answer that a resolver gives for one such record: the name is
    /// compressed to two bytes, 14 more follow (RFC 1035 §4.1.3).
    static func query(_ name: String) -> [UInt8] {
        var bytes: [UInt8] = [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]
        for label in name.split(separator: ".") { bytes += [UInt8(label.utf8.count)] + Array(label.utf8) }
        return bytes + [0, 0, 1, 0, 1]
    }
}
