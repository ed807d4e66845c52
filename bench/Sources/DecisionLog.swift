import Foundation
import NetworkTypes

/// The lines of the daemon's flow log about decisions, from a place on.
struct DecisionLog {
    struct Line {
        let source: IPAddress
        let sourcePort: UInt16
        let isAllowed: Bool
        /// CLOCK_MONOTONIC, nanoseconds, of the batch in which it was decided.
        let time: UInt64
    }

    private let path: String
    private var offset: UInt64 = 0

    init(_ path: String) { self.path = path }

    /// What has been written since the last call, whole lines.
    mutating func read() throws -> [Line] {
        guard let file = FileHandle(forReadingAtPath: path) else { throw BenchError("no flow log \(path)") }
        defer { try? file.close() }
        try file.seek(toOffset: offset)
        let data = try file.readToEnd() ?? Data()
        guard let end = data.lastIndex(of: 10) else { return [] }
        let whole = data[data.startIndex...end]
        offset += UInt64(whole.count)
        let shift = Int64(Date().timeIntervalSince1970 * 1e9) - Int64(SetMonitor.now())
        return try whole.split(separator: 10).compactMap { bytes -> Line? in
            guard let row = try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any],
                let verdict = row["verdict"] as? String, verdict != "end",
                let source = (row["source"] as? String).flatMap({ IPAddress(parsing: $0) }),
                let port = row["source_port"] as? Int, let text = row["time"] as? String, let wall = Self.nanoseconds(text)
            else { return nil }
            return Line(
                source: source, sourcePort: UInt16(truncatingIfNeeded: port), isAllowed: verdict == "allow",
                time: UInt64(max(0, wall - shift)))
        }
    }

    /// Skips what is there.
    mutating func skip() throws { offset = try FileManager.default.attributesOfItem(atPath: path)[.size] as? UInt64 ?? offset }

    /// "2026-01-02T03:04:05.678901Z" in nanoseconds since 1970.
    private static func nanoseconds(_ text: String) -> Int64? {
        let numbers = text.split { !$0.isNumber }.compactMap { Int64($0) }
        guard numbers.count == 7 else { return nil }
        // Days since 1970 of the Gregorian calendar, its years from March to February.
        let year = numbers[1] > 2 ? numbers[0] : numbers[0] - 1
        let month = (numbers[1] + 9) % 12
        let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + numbers[2] - 1 - 719_468
        let seconds = days * 86_400 + numbers[3] * 3_600 + numbers[4] * 60 + numbers[5]
        return seconds * 1_000_000_000 + numbers[6] * 1_000
    }
}
