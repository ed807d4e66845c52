import Logging
import NetworkTypes

/// Says of a log file that lines are lost: once a minute.
struct LogComplaints {
    private var last: Instant?

    mutating func note(_ log: String, _ path: String, _ failure: LogFile.Failure, _ logger: Logger) {
        let now = BootClock.now()
        if let last, now.nanoseconds(since: last) <= 60_000_000_000 { return }
        last = now
        logger.error("\(log) \(failure.what), lines are lost", metadata: ["file": "\(path)", "errno": "\(failure.code)"])
    }
}
