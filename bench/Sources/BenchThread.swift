import Foundation

/// A thread beside the measurement.
enum BenchThread {
    static func start(_ body: @escaping @Sendable () -> Void) {
        let thread = Thread { body() }
        thread.stackSize = 1 << 20
        thread.start()
    }
}
