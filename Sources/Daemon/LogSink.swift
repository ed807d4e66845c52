import Glibc
import Logging
import NetworkTypes
import Synchronization

/// A log file for several threads. What was written and lost can be asked without waiting for the disk; what keeps lines from the file is said in the
/// daemon's own log, once a minute.
final class LogSink: Sendable {
    private struct State: Sendable {
        var file: LogFile
        /// That lines are lost, and that something else is wrong.
        var lossToldAt: Instant?
        var faultToldAt: Instant?
    }

    private let name: String
    private let logger: Logger
    private let state: Mutex<State>
    private let written = Atomic<UInt64>(0)
    private let lost = Atomic<UInt64>(0)

    /// `name`: for people; `field`: of the configuration.
    init(_ name: String, field: String, path: String, bytesMax: Int, logger: Logger) throws(DaemonError) {
        let file: LogFile
        do throws(LogFileError) { file = try LogFile(path: path, bytesMax: bytesMax) } catch {
            throw DaemonError("cannot open the \(name) \(path)", code: error.code, hint: "make its folder, or set \(field)")
        }
        self.name = name
        self.logger = logger
        state = Mutex(State(file: file))
    }

    /// Lines that are in the file as a whole, and those that are not.
    var linesWritten: UInt64 { written.load(ordering: .relaxed) }
    var linesLost: UInt64 { lost.load(ordering: .relaxed) }

    /// Appends lines without their ends. The number that is in the file as a whole: the first so many.
    @discardableResult
    func write(_ lines: [String]) -> Int {
        guard !lines.isEmpty else { return 0 }
        let count = state.withLock { state in
            let (count, failure) = state.file.write(lines)
            if let failure { complain(failure, lines.count - count, &state) }
            return count
        }
        written.add(UInt64(count), ordering: .relaxed)
        lost.add(UInt64(lines.count - count), ordering: .relaxed)
        return count
    }

    private func complain(_ failure: LogFile.Failure, _ lost: Int, _ state: inout State) {
        let now = BootClock.now()
        let told = lost > 0 ? state.lossToldAt : state.faultToldAt
        if let told, now.nanoseconds(since: told) <= 60_000_000_000 { return }
        if lost > 0 { state.lossToldAt = now } else { state.faultToldAt = now }
        logger.error(
            "\(name) \(failure.what)\(lost > 0 ? ", lines are lost" : "")",
            metadata: ["file": "\(state.file.path)", "errno": "\(failure.code)", "lines_lost": "\(lost)"])
    }
}
