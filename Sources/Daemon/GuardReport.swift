import Synchronization

/// What the guard has seen, for other threads to read.
final class GuardReport: Sendable {
    /// Transactions of others that touched our table.
    let foreignChanges = Atomic<UInt64>(0)
    /// Times that announcements of nf_tables were lost, and the table was compared instead.
    let lostAnnouncements = Atomic<UInt64>(0)
    /// 1 while the gate is closed because another process has one of our queue numbers.
    let closedByForeignQueue = Atomic<Int>(0)
    /// Endpoints whose interface is not there.
    let missingInterfaces = Atomic<Int>(0)
    let isHolderAlive = Atomic<Bool>(true)
}
