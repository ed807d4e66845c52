import NetfilterQueue
import Synchronization

/// The counters of one queue's thread, for other threads to read.
final class QueueReport: Sendable {
    let queue: UInt16
    private let slot = Mutex(QueueCounters())
    let failures = Atomic<UInt64>(0)
    /// Times the queue was bound again after its binding or its socket was lost.
    let reopenings = Atomic<UInt64>(0)
    /// The netlink port of the socket that serves the queue now.
    let portID = Atomic<UInt32>(0)
    /// Set by the guard when the kernel's binding is gone; the queue's thread takes it back.
    let mustRebind = Atomic<Bool>(false)

    init(queue: UInt16) { self.queue = queue }

    var counters: QueueCounters { slot.withLock { $0 } }
    func set(_ counters: QueueCounters) { slot.withLock { $0 = counters } }
}
