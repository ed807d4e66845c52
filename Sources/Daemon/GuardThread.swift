import Enforcement
import Glibc
import Logging
import NetfilterQueue
import NetfilterTables
import NetworkTypes
import PolicyEngine

/// Sees within a second what others do to the parts of the kernel that enforcement rests on, and has it repaired:
///
/// - transactions of nf_tables that touch our table, as they are announced (with the process that sent them);
/// - a queue that has lost its binding, or is bound by somebody else;
/// - packets dropped because a queue or its socket's buffer was full;
/// - interfaces of endpoints that vanish, are renamed or come back;
/// - the end of the holder;
/// - DNS workers that do not turn.
///
/// It decides no packet. Where it cannot repair at once, the gate is closed for new flows, never opened.
final class GuardThread: @unchecked Sendable {
    private let control: ControlPlane
    private let queues: [QueueReport]
    private let published: Published<CompiledPolicy>
    private let report: GuardReport
    private let pulses: [WorkerPulse]
    private let isHolderAlive: @Sendable () -> Bool
    private let hearsAnnouncements: Bool
    private let logger: Logger

    // On the thread only.
    private var losses: Set<UInt16> = []
    private var drops: [UInt16: (full: UInt64, buffer: UInt64)] = [:]
    private var lastDropLog: Instant?
    private var interfaces = InterfaceWatch()

    init(
        control: ControlPlane, queues: [QueueReport], published: Published<CompiledPolicy>, report: GuardReport,
        pulses: [WorkerPulse], isHolderAlive: @escaping @Sendable () -> Bool, hearsAnnouncements: Bool, logger: Logger
    ) {
        self.control = control
        self.queues = queues
        self.published = published
        self.report = report
        self.pulses = pulses
        self.isHolderAlive = isHolderAlive
        self.hearsAnnouncements = hearsAnnouncements
        self.logger = logger
    }

    /// Looks once, on the calling thread, so that changes are told from what was there, and then goes on on a thread of its own.
    func start() {
        everyQuarterSecond()
        everySecond()
        DaemonThread.start("exeat-guard") { [self] in
            while true {
                if hearsAnnouncements {
                    do throws(TableError) {
                        var monitor = try RulesetMonitor()
                        // What happened before it was opened.
                        control.checkTable()
                        try watch(&monitor)
                    } catch {
                        logger.error("announcements of nf_tables cannot be read", metadata: ["error": "\(error)"])
                    }
                }
                // For a second, without them.
                control.checkTable()
                for _ in 0..<4 {
                    everyQuarterSecond()
                    usleep(250_000)
                }
                everySecond()
            }
        }
    }

    private func watch(_ monitor: inout RulesetMonitor) throws(TableError) -> Never {
        var lastQuarter = BootClock.now()
        var lastSecond = lastQuarter
        while true {
            let news = try monitor.wait(timeoutMilliseconds: 250)
            if news.hasLost {
                report.lostAnnouncements.add(1, ordering: .relaxed)
                control.checkTable()
            }
            let ours = news.changes.filter(\.touchesTable)
            if !ours.isEmpty { control.tableWasTouched(ours) }
            let now = BootClock.now()
            if now.nanoseconds(since: lastQuarter) >= 250_000_000 {
                lastQuarter = now
                everyQuarterSecond()
            }
            if now.nanoseconds(since: lastSecond) >= 1_000_000_000 {
                lastSecond = now
                everySecond()
            }
        }
    }

    // MARK: Queues

    private func everyQuarterSecond() {
        guard let rows = QueueStatistics.current() else { return }
        var isForeign = false
        for queue in queues {
            let row = rows.first { $0.queue == queue.queue }
            guard let row, row.portID == queue.portID.load(ordering: .relaxed) else {
                isForeign = isForeign || row != nil
                if losses.insert(queue.queue).inserted { logLoss(queue, row) }
                queue.mustRebind.store(true, ordering: .relaxed)
                continue
            }
            if losses.remove(queue.queue) != nil { drops[queue.queue] = nil }
            countDrops(row)
        }
        if isForeign != (report.closedByForeignQueue.load(ordering: .relaxed) == 1) {
            report.closedByForeignQueue.store(isForeign ? 1 : 0, ordering: .relaxed)
            control.keepGate(closed: isForeign)
        }
        logDrops()
    }

    private func logLoss(_ queue: QueueReport, _ row: QueueStatistics?) {
        if let row {
            let error = QueueError.heldByOther(
                queue: queue.queue, portID: row.portID, holders: QueueStatistics.holders(of: row))
            logger.error("another process has our queue; new flows are refused until it lets go", metadata: ["error": "\(error)"])
        } else {
            logger.error("queue is bound no longer; packets drop until it is", metadata: ["queue": "\(queue.queue)"])
        }
    }

    private var newDrops: (full: UInt64, buffer: UInt64) = (0, 0)

    private func countDrops(_ row: QueueStatistics) {
        let before = drops[row.queue] ?? (row.dropped, row.userDropped)
        drops[row.queue] = (row.dropped, row.userDropped)
        // A queue that was bound again counts from 0.
        newDrops.full += row.dropped >= before.full ? row.dropped - before.full : row.dropped
        newDrops.buffer += row.userDropped >= before.buffer ? row.userDropped - before.buffer : row.userDropped
    }

    /// At most one line in ten seconds.
    private func logDrops() {
        guard newDrops.full > 0 || newDrops.buffer > 0 else { return }
        let now = BootClock.now()
        if let lastDropLog, now.nanoseconds(since: lastDropLog) < 10_000_000_000 { return }
        lastDropLog = now
        logger.warning(
            "packets dropped: verdicts come too slowly",
            metadata: ["queue_full": "\(newDrops.full)", "socket_buffer_full": "\(newDrops.buffer)"])
        newDrops = (0, 0)
    }

    // MARK: Interfaces and holder

    private func everySecond() {
        let missing = interfaces.look(at: published.current, logger)
        report.missingInterfaces.store(missing, ordering: .relaxed)
        for (number, pulse) in pulses.enumerated() { pulse.feel(now: BootClock.now(), number: number, logger) }
        guard report.isHolderAlive.load(ordering: .relaxed), !isHolderAlive() else { return }
        report.isHolderAlive.store(false, ordering: .relaxed)
        logger.critical("the holder has gone: a crash now would drop what waits and leave the table without an owner; restart the daemon")
    }
}
