import Daemon
import NetworkTypes

/// Arithmetic in registers that takes a given time when nothing interrupts it. What it takes beyond that, at p99, is the machine's.
struct PlainArithmetic {
    private let rounds: Int

    /// - Parameter nanoseconds: how long one run takes at best.
    init(nanoseconds: UInt64) {
        let probe = 10_000
        let best = (0..<100).map { _ in Self.time(probe) }.min() ?? 1
        rounds = Int(nanoseconds) * probe / Int(max(1, best))
    }

    /// How long it took, by the clock.
    func run() -> UInt64 { Self.time(rounds) }

    @inline(never)
    private static func time(_ rounds: Int) -> UInt64 {
        let start = BootClock.now()
        var value: UInt64 = start.nanoseconds | 1
        for _ in 0..<rounds { value = value &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407 }
        // The value is used, so that the loop stays.
        return BootClock.now().nanoseconds(since: start) &+ (value == 0 ? 1 : 0)
    }
}
