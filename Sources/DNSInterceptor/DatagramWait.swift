import Glibc

/// Waits for datagrams and for whatever an ``EventPoll`` watches, with poll(2).
///
/// poll(2) stands in a socket's queue of waiters only while it waits. epoll(7) stands there all the time, and then the kernel calls it for
/// each datagram that was sent and freed, because there is room to write: by profile 0.2 µs of the 8 that an answer cost.
@safe
struct DatagramWait: ~Copyable {
    private let entries: UnsafeMutableBufferPointer<pollfd>
    private let socketCount: Int

    /// The last entry is the poll's own descriptor, which is ready when one of its events is.
    init(_ datagramSockets: [Int32], _ events: borrowing EventPoll) {
        socketCount = datagramSockets.count
        unsafe entries = .allocate(capacity: datagramSockets.count + 1)
        for (index, descriptor) in (datagramSockets + [events.descriptor]).enumerated() {
            unsafe entries.initializeElement(at: index, to: pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0))
        }
    }

    deinit { unsafe entries.deallocate() }

    /// Waits up to `milliseconds`; whether anything is ready. An interrupted wait gives false.
    func wait(milliseconds: Int32) -> Bool { unsafe poll(entries.baseAddress, nfds_t(entries.count), milliseconds) > 0 }

    /// From now on waits for events alone.
    func leaveSockets() { for index in 0..<socketCount { unsafe entries[index].fd = -1 } }

    /// Whether the last wait, which was successful, found something to read at a socket, or an error that reading takes away.
    func isReady(_ index: Int) -> Bool {
        precondition(index >= 0 && index < socketCount, "socket index")
        return unsafe entries[index].revents != 0
    }

    /// Whether it found events.
    var hasEvents: Bool { unsafe entries[socketCount].revents != 0 }
}
