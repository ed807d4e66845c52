import NetfilterQueue
import Synchronization

/// The counters of one queue's thread, for other threads to read.
final class QueueReport: Sendable {
    let queue: UInt16
    private let slot = Mutex(QueueCounters())
    let failures = Atomic<UInt64>(0)

    init(queue: UInt16) { self.queue = queue }

    var counters: QueueCounters { slot.withLock { $0 } }
    func set(_ counters: QueueCounters) { slot.withLock { $0 = counters } }
}
