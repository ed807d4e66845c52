import Foundation

/// A named thread of the daemon. Threads are for what must not wait for the cooperative pool: verdicts, DNS, logs.
enum DaemonThread {
    static func start(_ name: String, _ body: @escaping @Sendable () -> Void) {
        let thread = Thread(block: body)
        thread.name = name
        thread.stackSize = 1 << 20
        thread.start()
    }
}
