import CLinux
import Foundation

/// A named thread of the daemon. Threads are for what must not wait for the cooperative pool: verdicts, DNS, logs.
enum DaemonThread {
    /// Of the name the kernel shows 15 bytes.
    static func start(_ name: String, _ body: @escaping @Sendable () -> Void) {
        let thread = Thread {
            // A name that is given to a `Thread` before it runs does not reach the kernel.
            _ = unsafe exeat_set_name(name)
            body()
        }
        thread.stackSize = 1 << 20
        thread.start()
    }
}
