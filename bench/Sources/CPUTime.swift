import Foundation

/// CPU time of running processes.
enum CPUTime {
    /// User and system time of all threads of a process that live now, nanoseconds (`/proc/PID/task/TID/schedstat`, proc(5): the
    /// scheduler's own account, not the tick's).
    static func nanoseconds(of process: Int32) throws -> UInt64 {
        var total: UInt64 = 0
        for thread in try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task") {
            guard let text = try? String(contentsOfFile: "/proc/\(process)/task/\(thread)/schedstat", encoding: .utf8),
                let first = text.split(separator: " ").first, let value = UInt64(first)
            else { continue }
            total += value
        }
        return total
    }

    /// User and system time of the calling thread, nanoseconds (clock_gettime(2)).
    static func ofThisThread() throws -> UInt64 {
        var time = timespec()
        guard unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0 else { throw BenchError("clock_gettime: errno \(errno)") }
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    static func nowNanoseconds() -> UInt64 { UInt64(DispatchTime.now().uptimeNanoseconds) }
}
