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
        start(Verdicts(queue: queue, handler: handler), report: report, logger: logger, reopen: reopen)
    }

    /// The same for a queue of hellos.
    static func start(
        queue: consuming QueueSocket, handler: consuming HelloHandler, report: QueueReport, logger: Logger,
        reopen: @escaping @Sendable () throws -> QueueSocket
    ) {
        start(Hellos(queue: queue, handler: handler), report: report, logger: logger, reopen: reopen)
    }

    /// The same for the queue of others' DNS.
    static func start(
        queue: consuming QueueSocket, handler: consuming SnoopHandler, report: QueueReport, logger: Logger,
        reopen: @escaping @Sendable () throws -> QueueSocket
    ) {
        start(Snoops(queue: queue, handler: handler), report: report, logger: logger, reopen: reopen)
    }

    private static func start(
        _ parts: any Parts, report: QueueReport, logger: Logger, reopen: @escaping @Sendable () throws -> QueueSocket
    ) {
        report.portID.store(parts.portID, ordering: .relaxed)
        DaemonThread.start("exeat-queue-\(report.queue)") {
            var batches: UInt64 = 0
            var lastLog: Instant?
            while true {
                var isLost = report.mustRebind.exchange(false, ordering: .relaxed)
                if !isLost {
                    do throws(QueueError) {
                        let count = try parts.serve(timeoutMilliseconds: 250)
                        batches += 1
                        if count == 0 || batches % 64 == 0 { report.set(parts.counters) }
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
                    report.portID.store(parts.portID, ordering: .relaxed)
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

    /// Carries what cannot be copied into the thread; used by that thread alone. A class for each handler, so that `serve` is compiled for
    /// it; called once for a batch.
    private protocol Parts: AnyObject, Sendable {
        var portID: UInt32 { get }
        var counters: QueueCounters { get }
        func serve(timeoutMilliseconds: Int32) throws(QueueError) -> Int
        func bindAgain(_ reopen: () throws -> QueueSocket) throws
    }

    private final class Verdicts: Parts, @unchecked Sendable {
        private var queue: QueueSocket
        private var handler: VerdictHandler

        init(queue: consuming QueueSocket, handler: consuming VerdictHandler) {
            self.queue = queue
            self.handler = handler
        }

        var portID: UInt32 { queue.portID }
        var counters: QueueCounters { queue.counters }

        func serve(timeoutMilliseconds: Int32) throws(QueueError) -> Int {
            try queue.serve(&handler, timeoutMilliseconds: queue.heldCount > 0 ? VerdictThread.holdPollMilliseconds : timeoutMilliseconds)
        }

        func bindAgain(_ reopen: () throws -> QueueSocket) throws {
            try VerdictThread.bindAgain(&queue, reopen)
            handler.forgetHeld()
        }
    }

    private final class Hellos: Parts, @unchecked Sendable {
        private var queue: QueueSocket
        private var handler: HelloHandler

        init(queue: consuming QueueSocket, handler: consuming HelloHandler) {
            self.queue = queue
            self.handler = handler
        }

        var portID: UInt32 { queue.portID }
        var counters: QueueCounters { queue.counters }

        func serve(timeoutMilliseconds: Int32) throws(QueueError) -> Int {
            try queue.serve(&handler, timeoutMilliseconds: timeoutMilliseconds)
        }

        func bindAgain(_ reopen: () throws -> QueueSocket) throws {
            try VerdictThread.bindAgain(&queue, reopen)
        }
    }

    private final class Snoops: Parts, @unchecked Sendable {
        private var queue: QueueSocket
        private var handler: SnoopHandler

        init(queue: consuming QueueSocket, handler: consuming SnoopHandler) {
            self.queue = queue
            self.handler = handler
        }

        var portID: UInt32 { queue.portID }
        var counters: QueueCounters { queue.counters }

        func serve(timeoutMilliseconds: Int32) throws(QueueError) -> Int {
            try queue.serve(&handler, timeoutMilliseconds: timeoutMilliseconds)
        }

        func bindAgain(_ reopen: () throws -> QueueSocket) throws {
            try VerdictThread.bindAgain(&queue, reopen)
        }
    }

    /// The same socket, of which the holder has a duplicate, if it still works; else a new one.
    private static func bindAgain(_ queue: inout QueueSocket, _ reopen: () throws -> QueueSocket) throws {
        do throws(QueueError) {
            try queue.rebind()
        } catch {
            if case .heldByOther = error { throw error }
            queue = try reopen()
        }
    }
}
