import Glibc
import NetworkTypes

/// Turns the kernel's times of day into instants, by the distance between the two clocks when it was made.
struct WallClock {
    private let wall: UInt64
    private let boot = BootClock.now()

    init() {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        wall = UInt64(clamping: time.tv_sec) &* 1_000_000_000 &+ UInt64(clamping: time.tv_nsec)
    }

    /// Of nanoseconds since 1970; what lies before the boot or after now becomes that.
    func instant(_ nanoseconds: UInt64) -> Instant {
        let age = wall > nanoseconds ? wall - nanoseconds : 0
        return Instant(nanoseconds: boot.nanoseconds > age ? boot.nanoseconds - age : 0)
    }
}
