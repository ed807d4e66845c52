import CLinux
import Glibc
import Synchronization

/// Work that other threads give to a DNS worker: policy changes, dumps of bindings, and the order to stop.
///
/// The worker runs it on its own thread between batches, so the gate has one owner and needs no lock.
public final class DNSMailbox<Gate: ~Copyable>: Sendable {
    public typealias Work = @Sendable (inout Gate) -> Void

    /// An eventfd (eventfd(2)): readable when there is something to do.
    let descriptor: Int32
    private let waiting = Mutex<[Work]>([])
    private let isStopped = Atomic<Bool>(false)
    private let isOver = Atomic<Bool>(false)

    public init() throws(DNSSocketError) {
        descriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        guard descriptor >= 0 else { throw DNSSocketError(.eventfd, code: errno) }
    }

    deinit { close(descriptor) }

    /// Has `work` run on the worker's thread, after what was posted earlier. What is still waiting when the worker stops is run before `run()` returns.
    public func post(_ work: @escaping Work) {
        waiting.withLock { $0.append(work) }
        ring()
    }

    /// Makes `DNSWorker.run()` return after its current batch, and what waits for upstreams then (at most a second).
    public func stop() {
        // Releasing: what this thread wrote before is seen by the worker that finds the flag set.
        isStopped.store(true, ordering: .releasing)
        ring()
    }

    /// Whether the worker that was told to stop has done so.
    public var hasEnded: Bool { isOver.load(ordering: .acquiring) }

    func noteEnd() { isOver.store(true, ordering: .releasing) }

    var mustStop: Bool { isStopped.load(ordering: .acquiring) }

    /// Takes everything that waits, oldest first.
    func take() -> [Work] {
        // Emptied before the list is taken, so that no later post goes unnoticed.
        var count: UInt64 = 0
        _ = unsafe read(descriptor, &count, 8)
        return waiting.withLock { list in
            defer { list.removeAll() }
            return list
        }
    }

    /// Has the worker look for redials.
    public func wake() { ring() }

    private func ring() {
        var one: UInt64 = 1
        // Fails only when the counter is at its ceiling: then the worker is already called.
        _ = unsafe write(descriptor, &one, 8)
    }
}
