import Enforcement
import Glibc
import Logging
import NetfilterQueue

/// The thread of one queue.
enum VerdictThread {
    /// Serves the queue for good. An error of the socket is counted and logged, and the thread goes on: while it does not serve,
    /// packets wait and then drop, never pass.
    static func start(queue: consuming QueueSocket, handler: consuming VerdictHandler, report: QueueReport, logger: Logger) {
        let parts = Parts(queue: queue, handler: handler)
        DaemonThread.start("exeat-queue-\(report.queue)") {
            var batches: UInt64 = 0
            while true {
                do throws(QueueError) {
                    let count = try parts.queue.serve(&parts.handler, timeoutMilliseconds: 500)
                    batches += 1
                    if count == 0 || batches % 64 == 0 { report.set(parts.queue.counters) }
                } catch {
                    report.failures.add(1, ordering: .relaxed)
                    logger.error("queue cannot be read", metadata: ["queue": "\(report.queue)", "error": "\(error)"])
                    usleep(100_000)
                }
            }
        }
    }

    /// Carries what cannot be copied into the thread; used by that thread alone.
    private final class Parts: @unchecked Sendable {
        var queue: QueueSocket
        var handler: VerdictHandler

        init(queue: consuming QueueSocket, handler: consuming VerdictHandler) {
            self.queue = queue
            self.handler = handler
        }
    }
}
