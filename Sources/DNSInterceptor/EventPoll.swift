import CLinux
import Glibc

/// An epoll instance (epoll(7)), level-triggered. Closes itself.
@safe
struct EventPoll: ~Copyable {
    /// What became ready.
    struct Readiness: BitwiseCopyable {
        let token: UInt64
        let isReadable: Bool
        let isWritable: Bool
        /// EPOLLERR or EPOLLHUP.
        let isBroken: Bool
    }

    let descriptor: Int32
    private let events: UnsafeMutablePointer<epoll_event>
    private static var capacity: Int { 128 }

    init() throws(DNSSocketError) {
        descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard descriptor >= 0 else { throw DNSSocketError(.epollCreate, code: errno) }
        unsafe events = .allocate(capacity: Self.capacity)
        unsafe events.initialize(repeating: epoll_event(), count: Self.capacity)
    }

    deinit {
        close(descriptor)
        unsafe events.deallocate()
    }

    func add(_ target: Int32, token: UInt64, reads: Bool = true, writes: Bool = false) throws(DNSSocketError) {
        try control(EPOLL_CTL_ADD, target, token, reads, writes)
    }

    func modify(_ target: Int32, token: UInt64, reads: Bool, writes: Bool) throws(DNSSocketError) {
        try control(EPOLL_CTL_MOD, target, token, reads, writes)
    }

    func remove(_ target: Int32) {
        _ = epoll_ctl(descriptor, EPOLL_CTL_DEL, target, nil)
    }

    private func control(_ operation: Int32, _ target: Int32, _ token: UInt64, _ reads: Bool, _ writes: Bool) throws(DNSSocketError) {
        var event = unsafe epoll_event()
        unsafe event.events = (reads ? EPOLLIN.rawValue : 0) | (writes ? EPOLLOUT.rawValue : 0)
        unsafe event.data.u64 = token
        guard unsafe epoll_ctl(descriptor, operation, target, &event) == 0 else { throw DNSSocketError(.epollControl, code: errno) }
    }

    /// Takes what is ready, without waiting; the number of events that ``subscript(_:)`` then has.
    func take() -> Int {
        Int(max(0, unsafe epoll_wait(descriptor, events, Int32(Self.capacity), 0)))
    }

    /// An event of the last `take`. Traps beyond the capacity.
    subscript(index: Int) -> Readiness {
        precondition(index >= 0 && index < Self.capacity, "event index")
        let event = unsafe events[index]
        return unsafe Readiness(
            token: event.data.u64, isReadable: event.events & EPOLLIN.rawValue != 0, isWritable: event.events & EPOLLOUT.rawValue != 0,
            isBroken: event.events & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0)
    }
}
