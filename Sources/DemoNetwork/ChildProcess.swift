import Glibc
import Synchronization

/// A program that this process has started. It leads a process group of its own, so an interrupt at the terminal reaches only us.
public final class ChildProcess: Sendable {
    public let pid: pid_t
    private let ending = Mutex<Int32?>(nil)

    init(pid: pid_t) { self.pid = pid }

    /// Sends a signal to the process; does nothing when it has been waited for.
    public func kill(_ signal: Int32 = SIGKILL) {
        ending.withLock { status in
            if status == nil { _ = Glibc.kill(pid, signal) }
        }
    }

    /// Sends a signal to the process and to what it has started, as far as that stayed in its process group.
    func killGroup(_ signal: Int32 = SIGKILL) {
        ending.withLock { status in
            if status == nil { _ = Glibc.kill(-pid, signal) }
        }
    }

    /// The exit status if it has ended (128 + signal if one ended it), else nil. Does not block.
    public func poll() -> Int32? {
        ending.withLock { status in
            if let status { return status }
            var raw: Int32 = 0
            let result = unsafe waitpid(pid, &raw, WNOHANG)
            // ECHILD: somebody else has waited for it; its status is lost.
            if result == pid { status = Self.status(raw) } else if result < 0, errno == ECHILD { status = 127 }
            return status
        }
    }

    public var isRunning: Bool { poll() == nil }

    /// Waits for the end. Nil if it still runs after that time.
    @discardableResult
    public func wait(timeoutSeconds: Double = 10) -> Int32? {
        let deadline = monotonicMilliseconds() + timeoutSeconds * 1000
        while true {
            if let status = poll() { return status }
            guard monotonicMilliseconds() < deadline else { return nil }
            usleep(1000)
        }
    }

    /// Asks with SIGTERM, and after that time ends it with SIGKILL.
    @discardableResult
    public func terminate(timeoutSeconds: Double = 3) -> Int32? {
        kill(SIGTERM)
        if let status = wait(timeoutSeconds: timeoutSeconds) { return status }
        kill(SIGKILL)
        return wait(timeoutSeconds: 3)
    }

    /// wait(2): the low 7 bits are the signal, the next byte the exit status.
    private static func status(_ raw: Int32) -> Int32 {
        raw & 0x7f == 0 ? raw >> 8 & 0xff : 128 + (raw & 0x7f)
    }
}
