import Foundation

/// The machine that a table was made on.
enum Machine {
    static var text: String {
        let processors = contents("/proc/cpuinfo").split(separator: "\n")
        let model = processors.first { $0.hasPrefix("model name") }.flatMap { $0.split(separator: ":").last } ?? "unknown processor"
        let count = processors.count { $0.hasPrefix("processor") }
        let kernel = contents("/proc/sys/kernel/osrelease").trimmingCharacters(in: .whitespacesAndNewlines)
        let load = contents("/proc/loadavg").split(separator: " ").prefix(3).joined(separator: " ")
        return "\(model.trimmingCharacters(in: .whitespaces)), \(count) cores, Linux \(kernel), load average \(load)"
    }

    private static func contents(_ path: String) -> String { (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" }
}
