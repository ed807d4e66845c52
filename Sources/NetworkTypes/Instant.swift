/// A point in time: nanoseconds since boot, suspended time included (`CLOCK_BOOTTIME`, clock_gettime(2)).
///
/// The core never reads a clock; whoever calls it passes the time in.
public struct Instant: Hashable, Sendable, BitwiseCopyable, Comparable {
    public let nanoseconds: UInt64

    @inlinable
    public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    @inlinable
    public init(seconds: UInt64) { nanoseconds = seconds.multipliedSaturating(1_000_000_000) }

    @inlinable
    public static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }

    /// Saturates at the largest value.
    @inlinable
    public func advanced(bySeconds seconds: UInt64) -> Instant { advanced(byNanoseconds: seconds.multipliedSaturating(1_000_000_000)) }

    /// Saturates at the largest value.
    @inlinable
    public func advanced(byNanoseconds count: UInt64) -> Instant {
        let (sum, overflow) = nanoseconds.addingReportingOverflow(count)
        return Instant(nanoseconds: overflow ? .max : sum)
    }

    /// Nanoseconds from `earlier` to this instant; zero if it lies later.
    @inlinable
    public func nanoseconds(since earlier: Instant) -> UInt64 {
        nanoseconds > earlier.nanoseconds ? nanoseconds - earlier.nanoseconds : 0
    }
}

extension UInt64 {
    @inlinable
    func multipliedSaturating(_ factor: UInt64) -> UInt64 {
        let (product, overflow) = multipliedReportingOverflow(by: factor)
        return overflow ? .max : product
    }
}
