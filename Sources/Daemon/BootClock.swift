import Glibc
import NetworkTypes

/// The clock of leases: CLOCK_BOOTTIME.
public enum BootClock {
    public static func now() -> Instant {
        var time = timespec()
        unsafe clock_gettime(CLOCK_BOOTTIME, &time)
        return Instant(nanoseconds: UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
    }

    /// Since 1970, of an instant, found by the distance between the two clocks now.
    private static func unixNanoseconds(_ instant: Instant) -> Int64 {
        var wall = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &wall)
        let wallNow = Int64(wall.tv_sec) * 1_000_000_000 + Int64(wall.tv_nsec)
        return wallNow - Int64(bitPattern: now().nanoseconds) + Int64(bitPattern: instant.nanoseconds)
    }

    /// Whole seconds since 1970 of an instant.
    static func unixSeconds(_ instant: Instant) -> Int64 { unixNanoseconds(instant) / 1_000_000_000 }

    /// RFC 3339 with microseconds, UTC, of an instant: for logs.
    static func wallClockText(_ instant: Instant) -> String {
        let then = unixNanoseconds(instant)
        var seconds = time_t(then / 1_000_000_000)
        var parts = unsafe tm()
        unsafe gmtime_r(&seconds, &parts)
        func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let micros = String(then % 1_000_000_000 / 1000)
        return unsafe "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))T"
            + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))."
            + String(repeating: "0", count: max(0, 6 - micros.count)) + micros + "Z"
    }
}
