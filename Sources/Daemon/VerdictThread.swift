import Enforcement
import Glibc
import Logging
import NetfilterQueue
import NetworkTypes

/// The thread of one queue.
enum VerdictThread {
    /// While packets wait for answers: how often it is asked whether one came.
    private static let holdPollMilliseconds: Int32 = 1

    /// Serves the queue for good. An error of the socket is counted and logged, and the queue is bound again, by a new socket if need be
    /// (`reopen`); while it is not served, packets wait and then drop, never pass.
    static func start(
        queue: consuming QueueSocket, handler: consuming VerdictHandler, report: QueueReport, logger: Logger,
        reopen: @escaping @Sendable () throws -> QueueSocket
    ) {
        report.portID.store(queue.portID, ordering: .relaxed)
        let parts = Parts(queue: queue, handler: handler)
        DaemonThread.start("exeat-queue-\(report.queue)") {
            var batches: UInt64 = 0
            var lastLog: Instant?
            while true {
                var isLost = report.mustRebind.exchange(false, ordering: .relaxed)
                if !isLost {
                    do throws(QueueError) {
                        let count = try parts.queue.serve(
                            &parts.handler, timeoutMilliseconds: parts.queue.heldCount > 0 ? holdPollMilliseconds : 250)
                        batches += 1
                        if count == 0 || batches % 64 == 0 { report.set(parts.queue.counters) }
                    } catch {
                        report.failures.add(1, ordering: .relaxed)
                        logger.error("queue cannot be read", metadata: ["queue": "\(report.queue)", "error": "\(error)"])
                        usleep(100_000)
                        isLost = true
                    }
                }
                guard isLost else { continue }
                do {
                    try parts.bindAgain(reopen)
                    report.portID.store(parts.queue.portID, ordering: .relaxed)
                    report.reopenings.add(1, ordering: .relaxed)
                    logger.warning("queue is bound again", metadata: ["queue": "\(report.queue)"])
                } catch {
                    report.failures.add(1, ordering: .relaxed)
                    report.mustRebind.store(true, ordering: .relaxed)
                    let now = BootClock.now()
                    if lastLog.map({ now.nanoseconds(since: $0) > 10_000_000_000 }) ?? true {
                        lastLog = now
                        logger.error("queue cannot be bound again", metadata: ["queue": "\(report.queue)", "error": "\(error)"])
                    }
                    usleep(250_000)
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

        /// The same socket, of which the holder has a duplicate, if it still works; else a new one.
        func bindAgain(_ reopen: () throws -> QueueSocket) throws {
            do throws(QueueError) {
                try queue.rebind()
            } catch {
                if case .heldByOther = error { throw error }
                queue = try reopen()
            }
            handler.forgetHeld()
        }
    }
}
